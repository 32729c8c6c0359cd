"""Convolution on tensor cores: launches of the kernels in `cuda_implicit_gemm.cu`."""

import numpy as np

from minigrad.kernels.shared.device import THREADS, device
from minigrad.kernels.shared.source import Source

# Channels of a tile; of those that pad least the first is taken.
PRODUCT_TILES = (128, 96, 64, 48)
GRADIENT_TILES = (128, 96, 64)
_VECTORS = (4, 1)  # numbers copied at a time

_STAGES = 4  # tiles that are copied or multiplied at a time
_DEPTH = 16  # terms of the sum in a tile
_PIXELS = 128  # of a tile of the output
_COLUMNS = 128  # of a tile of the weight gradient
# Rows in shared memory are padded: the fragments of a warp are read from 8 rows and 4 columns, or
# from 4 rows and 8 columns, and then lie in 32 different banks.
_ROW = _DEPTH + 4
_SKEW = 8

_source = Source(
    "conv2d/cuda_implicit_gemm.cu",
    *(f"implicit_gemm<{tile}, {vector}>" for tile in PRODUCT_TILES for vector in _VECTORS),
    *(f"weight_gradient<{tile}, {vector}>" for tile in GRADIENT_TILES for vector in _VECTORS),
    "pack_weights",
    "weight_gradient_total",
    types=("float32",),
    constants={
        "THREADS": THREADS,
        "STAGES": _STAGES,
        "DEPTH": _DEPTH,
        "PIXELS": _PIXELS,
        "COLUMNS": _COLUMNS,
        "ROW": _ROW,
        "SKEW": _SKEW,
    },
)


def blocks_per_multiprocessor(vector):
    """How many blocks share a multiprocessor: BLOCKS in the source."""
    return 2 if vector == 4 and device.compute_capability < 100 else 1


def product_memory(tile):
    """Bytes of shared memory of a block of `implicit_gemm`."""
    return 4 * _STAGES * (_PIXELS + tile) * _ROW


def gradient_memory(tile):
    """Bytes of shared memory of a block of `weight_gradient`."""
    return 4 * _STAGES * _DEPTH * (tile + _COLUMNS + 2 * _SKEW)


def obstacle(input, output, weight, groups):
    """Why these kernels may not or cannot take a layer; None where they do: see `Device.tf32`."""
    if not device.tf32:
        return "TF32 is not allowed"
    if not device.has_tensor_cores:
        return "no tensor cores"
    if input.dtype != np.float32:
        return "not float32"
    if not input.size:
        return "no images"
    # Offsets in the kernels have 32 bits, and those of a tile go beyond the end.
    if max(input.size, output.size, weight.size) >= 2**30:
        return "2^30 numbers or more"
    return "2^16 groups or more" if groups >= 2**16 else None


def forward(input, weight, bias, stride, padding, groups, relu, *, output):
    packed = _pack(weight, groups, flipped=False)
    window = weight.shape[2:], stride, padding
    _multiply(input, packed, bias, relu, *window, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    """For stride 1: the convolution of grad_output with the flipped filters."""
    packed = _pack(weight, groups, flipped=True)
    kernel_size = weight.shape[2:]
    padding = tuple(size - 1 - pad for size, pad in zip(kernel_size, padding))
    window = kernel_size, stride, padding
    _multiply(grad_output, packed, None, False, *window, grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    N, H, W, C = input.shape
    _, OH, OW, OC = grad_output.shape
    KH, KW = grad_weight.shape[2:]
    inner, outer, pixels = C // groups, OC // groups, N * OH * OW
    tile = _tile(outer, GRADIENT_TILES)
    tiles = -(-outer // tile) * -(-(KH * KW * inner) // _COLUMNS)
    vector = _vector((input, inner), (grad_output, outer))
    parts = _parts(tiles * groups, pixels, vector)
    partial = device.empty((parts, grad_weight.size), np.float32)
    _source.launch(
        f"weight_gradient<{tile}, {vector}>",
        input.dtype,
        (tiles, groups, parts),
        *(input, grad_output, partial, pixels, inner, outer, OC),
        *(H, W, C, OH, OW, KH, KW, *stride, *padding),
        shared_memory=gradient_memory(tile),
    )
    _source.launch(
        "weight_gradient_total",
        input.dtype,
        device.blocks(grad_weight.size),
        *(partial, grad_weight, np.int64(grad_weight.size), parts, inner, KH, KW),
    )


def _multiply(images, packed, bias, relu, kernel_size, stride, padding, output):
    """output = windows of the images @ packed filters + bias, or 0 if relu and that is negative."""
    groups, outer, _, inner = packed.shape
    N, H, W, C = images.shape
    _, OH, OW, OC = output.shape
    pixels, tile = N * OH * OW, _tile(outer, PRODUCT_TILES)
    _source.launch(
        f"implicit_gemm<{tile}, {_vector((images, inner))}>",
        images.dtype,
        (-(-pixels // _PIXELS) * -(-outer // tile), groups),
        *(images, packed, bias, np.bool_(relu), output, pixels, inner, outer, OC),
        *(H, W, C, OH, OW, *kernel_size, *stride, *padding),
        shared_memory=product_memory(tile),
    )


def _pack(weight, groups, flipped):
    """The filters as (groups, outer, taps, inner); flipped ones have their channels exchanged."""
    OC, inner, KH, KW = weight.shape
    outer = OC // groups
    if flipped:
        outer, inner = inner, outer
    packed = device.empty((groups, outer, KH * KW, inner), weight.dtype)
    _source.launch(
        "pack_weights",
        weight.dtype,
        device.blocks(weight.size),
        *(weight, packed, np.int64(weight.size), outer, inner, KH, KW, np.bool_(flipped)),
    )
    return packed


def _tile(channels, tiles):
    return min(tiles, key=lambda tile: -(-channels // tile) * tile)


def _vector(*arrays):
    """How many channels are copied at a time; arrays: pairs (array, channels of a group)."""
    aligned = all(array.data.ptr % 16 == 0 and channels % 4 == 0 for array, channels in arrays)
    return 4 if aligned else 1


def _parts(blocks, pixels, vector):
    """Into how many parts the sum over the pixels is cut, so that all multiprocessors work."""
    wanted = blocks_per_multiprocessor(vector) * device.multiprocessors // blocks
    return max(1, min(wanted, pixels // (8 * _DEPTH)))
