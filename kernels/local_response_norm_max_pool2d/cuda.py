"""Launches of the kernels that normalize and pool at once.

Two cases are left to the separate kernels: pixels with so many channels, or windows with so many
pixels, that they do not fit into shared memory; and windows that overlap so much that normalizing
pixels again costs more than the array between the two kernels.
"""

import math

import numpy as np

from minigrad.kernels.local_response_norm import cuda as local_response_norm
from minigrad.kernels.local_response_norm import window_extent
from minigrad.kernels.max_pool2d import check_pooling
from minigrad.kernels.max_pool2d import cuda as max_pool2d
from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import ALL_TYPES, Source

_LANES, _WARPS = 32, 8  # threads of a warp, warps of a block
_VECTORS = (4, 8)  # channels that a lane keeps in registers
_REACH = 2  # channels on each side of a window then: REACH in channels.cuh

_source = Source(
    "local_response_norm_max_pool2d/cuda.cu",
    "local_response_norm_max_pool2d_forward",
    "local_response_norm_max_pool2d_backward",
    *(f"local_response_norm_max_pool2d_forward_vector<Real, {count}>" for count in _VECTORS),
    *(f"local_response_norm_max_pool2d_backward_vector<Real, {count}>" for count in _VECTORS),
    types=ALL_TYPES,
    constants={"LANES": _LANES},
)

_TILES = ((2, 8), (2, 4), (2, 2), (1, 2), (1, 1))  # rows and columns of output pixels of a block
_SHARED_BYTES = 48 * 1024  # of a block: several run side by side on every architecture
# How often a pixel may be normalized on average. By the roofline of an H100, writing and reading an
# array costs as much as two or three normalizations of it.
_MOST_NORMALIZATIONS = 3


def forward(input, size, alpha, beta, k, kernel_size, stride, padding, *, output, argmax):
    arrays = {"input": input, "output": output, "argmax": argmax}
    check_pooling("local_response_norm_max_pool2d.forward", arrays, kernel_size, stride, padding)
    norm, window = (size, alpha, beta, k), (kernel_size, stride, padding)
    N, OH, OW, C = output.shape
    tile = _tile(input, (OH, OW), kernel_size, stride)
    if tile is None:
        normalized = device.empty(input.shape, input.dtype)
        local_response_norm.forward(input, *norm, output=normalized)
        max_pool2d.forward(normalized, *window, output=output, argmax=argmax)
        return
    down, across = _tiles((OH, OW), tile)
    _launch(
        "forward",
        (input, output, argmax),
        N * down * across,
        (down, across, *tile, C, *input.shape[1:3], OH, OW),
        *(norm, window),
        shared_memory=_memory(input, tile, kernel_size, stride),
    )


def backward(
    grad_output, argmax, input, size, alpha, beta, k, kernel_size, stride, padding, *, grad_input
):
    arrays = {"grad_input": grad_input, "grad_output": grad_output, "argmax": argmax}
    check_pooling("local_response_norm_max_pool2d.backward", arrays, kernel_size, stride, padding)
    check_same_shape("local_response_norm_max_pool2d.backward", grad_input=grad_input, input=input)
    norm, window = (size, alpha, beta, k), (kernel_size, stride, padding)
    N, H, W, C = input.shape
    arrays = grad_output, argmax, input, grad_input
    shared_memory = _WARPS * 2 * C * bfloat16.arithmetic(input.dtype).itemsize
    if _vector(arrays, size):
        shared_memory = 0
    elif shared_memory > _SHARED_BYTES:
        grad_normalized = device.empty(input.shape, input.dtype)
        max_pool2d.backward(grad_output, argmax, *window, grad_input=grad_normalized)
        local_response_norm.backward(grad_normalized, input, *norm, grad_input=grad_input)
        return
    _launch(
        "backward",
        arrays,
        N * H,
        (C, H, W, *grad_output.shape[1:3]),
        *(norm, window),
        shared_memory=shared_memory,
    )


def _launch(function, arrays, count, sizes, norm, window, shared_memory):
    """`count`: tiles or rows, of which a block takes one at a time."""
    size, alpha, beta, k = norm
    C, vector = arrays[0].shape[-1], _vector(arrays, size)
    kernel = f"local_response_norm_max_pool2d_{function}"
    _source.launch(
        f"{kernel}_vector<Real, {vector}>" if vector else kernel,
        arrays[0].dtype,
        device.blocks(count, 1),
        *(*arrays, np.int64(count), *sizes),
        *(number for pair in window for number in pair),
        *(() if vector else window_extent(size, C)),
        *(alpha / size, beta, k),
        threads=(_LANES, _WARPS),
        shared_memory=shared_memory,
    )


def _vector(arrays, size):
    """How many channels a lane keeps, where a warp has room for those of a pixel; or 0."""
    C = arrays[0].shape[-1]
    fits = window_extent(size, C) == (_REACH, _REACH) and all(x.data.ptr % 16 == 0 for x in arrays)
    return next((v for v in _VECTORS if C % v == 0 and C <= v * _LANES), 0) if fits else 0


def _tile(input, output_size, kernel_size, stride):
    """Rows and columns of output pixels for a block, or None where two kernels do better."""
    H, W = input.shape[1:3]
    for largest in _TILES:
        tile = tuple(map(min, largest, output_size))
        normalized = math.prod(_tiles(output_size, tile)) * math.prod(
            _pixels(input, tile, kernel_size, stride)
        )
        if (
            _memory(input, tile, kernel_size, stride) <= _SHARED_BYTES
            and normalized <= _MOST_NORMALIZATIONS * H * W
        ):
            return tile
    return None


def _tiles(output_size, tile):
    """How many tiles cover the output, downwards and across."""
    return tuple(-(-size // t) for size, t in zip(output_size, tile))


def _pixels(input, tile, kernel_size, stride):
    """Rows and columns of the input under the windows of a tile, at most."""
    sides = zip(tile, kernel_size, stride, input.shape[1:3])
    return tuple(min((t - 1) * s + k, size) for t, k, s, size in sides)


def _memory(input, tile, kernel_size, stride):
    """Bytes of the normalized pixels of a tile."""
    pixels = math.prod(_pixels(input, tile, kernel_size, stride))
    return pixels * input.shape[-1] * input.dtype.itemsize
