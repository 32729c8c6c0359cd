"""Pictures of what a network has learned, and the numbers behind them.

Functions of a `Trained` compute what is shown; functions called ``*_figure`` draw it, and return a
matplotlib Figure. The commands and the report save it, `network_figures` gives it to Python. The
look that all pictures share is in `alexnet.style`.
"""
