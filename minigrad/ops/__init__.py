"""Functions with their derivatives, one family a file.

Arguments are valid here: `minigrad/functional.py` has checked them.
"""
