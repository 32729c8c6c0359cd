"""Functions with their derivatives, one family a file.

Arguments are valid here: `minigrad/functional.py` has checked them. Tensors of images have the
shape (N, C, H, W); what kernels get is made here, by `ctx.backend.channels_last`, and nowhere else.
"""
