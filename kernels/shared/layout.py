"""The memory format of images: channels last.

The shape of a batch of images is (N, C, H, W) everywhere. In memory it is ordered [N][H][W][C]
(the strides of the array say so, and every function of NumPy or CuPy works on such an array): the
channels of a pixel are adjacent, so that one vector instruction takes 16 of them, or a warp 32, and
the pixel of every filter tap already is a row of a matrix product. The same goes for any number of
positions, (N, C, ...).

Kernels compute on the memory order itself, an (N, H, W, C) view of the same array:

    target = layout.begin(output)
    _kernel(layout.memory(input), target)
    layout.finish(target, output)

Arrays in another order are converted on the way in and out, so kernels take any.
"""

import numpy as np
from numba import prange

from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.threads import parallel_jit

_TILE = 16  # channels and positions turned at a time: both sides stay in the first-level cache


class Layout:
    """Channels last on one device.

    Args:
        xp: NumPy or CuPy.
        new: ``new(shape, dtype)``, an uninitialized C-contiguous array.
        turn: ``turn(source, target)``, target[n, j, i] = source[n, i, j].
    """

    def __init__(self, xp, new, turn):
        self._xp, self._new, self._turn = xp, new, turn

    def empty(self, shape, dtype):
        """Uninitialized images of shape (N, C, H, W), channels last in memory."""
        N, C, H, W = shape
        return self._new((N, H, W, C), dtype).transpose(0, 3, 1, 2)

    def memory(self, images):
        """The images as a C-contiguous array (N, H, W, C): a view where they are channels last."""
        view = _view(images)
        if view.flags.c_contiguous:
            return view
        N, C = images.shape[:2]
        converted = self._new(view.shape, images.dtype)
        source = self._xp.ascontiguousarray(images).reshape(N, C, -1)
        self._turn(source, converted.reshape(N, -1, C))
        return converted

    def channels_last(self, images):
        """The images, channels last in memory: themselves if they are so already."""
        view = self.memory(images)
        return view.transpose(0, view.ndim - 1, *range(1, view.ndim - 1))

    def contiguous(self, images):
        """The images as a C-contiguous array (N, C, H, W)."""
        if images.flags.c_contiguous:
            return images
        N, C = images.shape[:2]
        converted = self._new(images.shape, images.dtype)
        self._turn(self.memory(images).reshape(N, -1, C), converted.reshape(N, C, -1))
        return converted

    def begin(self, output):
        """Where a kernel writes: the memory of `output` if it is channels last, or new memory."""
        view = _view(output)
        return view if view.flags.c_contiguous else self._new(view.shape, output.dtype)

    def finish(self, target, output):
        """Copy what a kernel wrote to where it belongs, unless it is there already."""
        view = _view(output)
        if not view.flags.c_contiguous:
            view[...] = target

    def flat(self, array):
        """All elements in the order of memory; arrays of one call must agree in that order."""
        return array.reshape(-1) if array.flags.c_contiguous else self.memory(array).reshape(-1)


def _view(images):
    """The images as (N, H, W, C): as numpy.moveaxis, which takes ten times as long."""
    return images.transpose(0, *range(2, images.ndim), 1)


@parallel_jit
def _turn(source, target):
    N, rows, columns = source.shape
    bands = (rows + _TILE - 1) // _TILE
    for task in prange(N * bands):
        n, first = task // bands, task % bands * _TILE
        last = min(first + _TILE, rows)
        for j0 in range(0, columns, _TILE):
            for j in range(j0, min(j0 + _TILE, columns)):
                for i in range(first, last):
                    target[n, j, i] = source[n, i, j]


cpu = Layout(np, pool.empty, _turn)
