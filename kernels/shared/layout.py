"""The memory format of images: channels last.

Users see a batch of images as (N, C, H, W). In memory it is ordered [N][H][W][C]: the channels of a
pixel are adjacent, so that one vector instruction takes 16 of them, or a warp 32, and the pixel
of every filter tap already is a row of a matrix product.

Operations convert, by `minigrad.backend.Backend.channels_last`. Kernels take C-contiguous arrays
(N, H, W, C) and refuse others (`arguments.py`): of those a reshape would be a copy, and what is
written to a copy is lost.
"""

from numba import prange

from minigrad.kernels.shared.threads import parallel_jit

_TILE = 16  # rows and columns transposed at a time: both sides stay in the first-level cache


def flat(array):
    """All elements of a C-contiguous array, as a view (size,)."""
    return _contiguous(array).reshape(-1)


def rows(array):
    """A C-contiguous array (..., C) as a view (rows, C), one row a pixel."""
    return _contiguous(array).reshape(-1, array.shape[-1])


def _contiguous(array):
    if not array.flags.c_contiguous:
        raise ValueError(f"kernel argument of shape {array.shape} is not C-contiguous")
    return array


def copy(images, target):
    """target[...] = images for C-contiguous `target` of 4 dimensions, on the CPU.

    By tiles where one of the two has its channels last and the other has them first.
    """
    N, A, B, C = images.shape
    last_first, first_last = images.transpose(0, 3, 1, 2), images.transpose(0, 2, 3, 1)
    if last_first.flags.c_contiguous:
        _transpose(last_first.reshape(N, C, A * B), target.reshape(N, A * B, C))
    elif first_last.flags.c_contiguous:
        _transpose(first_last.reshape(N, B * C, A), target.reshape(N, A, B * C))
    else:
        target[...] = images


@parallel_jit
def _transpose(source, target):
    """target[n, j, i] = source[n, i, j]."""
    N, rows, columns = source.shape
    bands = (rows + _TILE - 1) // _TILE
    for task in prange(N * bands):
        n, first = task // bands, task % bands * _TILE
        last = min(first + _TILE, rows)
        for j0 in range(0, columns, _TILE):
            for j in range(j0, min(j0 + _TILE, columns)):
                for i in range(first, last):
                    target[n, j, i] = source[n, i, j]
