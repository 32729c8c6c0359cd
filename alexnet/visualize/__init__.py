"""Pictures of what a network has learned, and the numbers behind them.

Functions called ``*_figure`` return a matplotlib Figure; the commands and the report save it. The
look that all pictures share is in `alexnet.style`.
"""
