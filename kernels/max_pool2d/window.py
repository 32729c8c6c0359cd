"""Max-pooling of pixels in Numba, for the kernels with and without normalization.

Backward gathers: a row of the gradient adds up the windows that cover it, in row-major order, so
the sums need no atomics and have the same bits on any number of threads.
"""

from minigrad.kernels.shared.threads import jit


@jit
def start_window(value, position, best, index):
    """Take the first pixel of a window for its maximum, in every channel."""
    for c in range(best.size):
        best[c] = value[c]
        index[c] = position


@jit
def keep_larger(value, position, best, index):
    """Compare with the next pixel. Of equal values the earlier one stays, as does the first NaN."""
    position = index.dtype.type(position)
    for c in range(best.size):
        wins = (best[c] == best[c]) & (not value[c] <= best[c])
        best[c] = value[c] if wins else best[c]
        index[c] = position if wins else index[c]


@jit
def gradient_row(grad_output, argmax, h, kernel_size, stride, padding, row):
    """Row h of an image's gradient: (W, C) from (OH, OW, C)."""
    W = row.shape[0]
    OH, OW = grad_output.shape[:2]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    row[:] = 0
    # The windows that cover row h.
    first, last = max(0, -((KH - 1 - h - PH) // SH)), min(OH - 1, (h + PH) // SH)
    for oh in range(first, last + 1):
        for ow in range(OW):
            left, right = max(0, ow * SW - PW), min(W, ow * SW - PW + KW)
            for w in range(left, right):
                _add_where(argmax[oh, ow], h * W + w, grad_output[oh, ow], row[w])


@jit
def _add_where(index, position, gradient, total):
    zero = gradient.dtype.type(0)
    position = index.dtype.type(position)
    for c in range(total.size):
        total[c] += gradient[c] if index[c] == position else zero
