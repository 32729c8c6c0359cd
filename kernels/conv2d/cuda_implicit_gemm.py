"""Convolution on tensor cores: launches of the kernels in `cuda_implicit_gemm.cu`."""

from typing import NamedTuple

import numpy as np

from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_COPIES = (16, 8)  # bytes copied at a time
# Channels of a tile; of those that pad least the first is taken. Where a thread makes twice as many
# copies, the weight gradient has too few registers for 128.
PRODUCT_TILES = (128, 96, 64, 48)
GRADIENT_TILES = {16: (128, 96, 64), 8: (96, 64)}

_THREADS = 128  # of a block
_STAGES = 3  # tiles that are copied or multiplied at a time
_ROW_BYTES = 64  # of the sum in a tile
_PIXELS = 128  # of a tile of the output
_COLUMNS = 128  # of a tile of the weight gradient
_BLOCKS_PER_MULTIPROCESSOR = 2  # BLOCKS in the source

_source = Source(
    "conv2d/cuda_implicit_gemm.cu",
    *(f"implicit_gemm<Real, {tile}, {size}>" for tile in PRODUCT_TILES for size in _COPIES),
    *(
        f"weight_gradient<Real, {tile}, {size}>"
        for size in _COPIES
        for tile in GRADIENT_TILES[size]
    ),
    *("pack_weights", "pad_channels"),
    types=("float32", *bfloat16.TYPES),
    constants={
        "THREADS": _THREADS,
        "STAGES": _STAGES,
        "ROW_BYTES": _ROW_BYTES,
        "PIXELS": _PIXELS,
        "COLUMNS": _COLUMNS,
    },
)

_total = Source("conv2d/cuda_weight_gradient_total.cu", "weight_gradient_total", types=("float32",))


def product_memory(tile):
    """Bytes of shared memory of a block of `implicit_gemm`."""
    return _STAGES * (_PIXELS + tile) * _ROW_BYTES


def gradient_memory(tile):
    """Bytes of shared memory of a block of `weight_gradient`."""
    return _STAGES * (tile + _COLUMNS) * _ROW_BYTES


def obstacle(input, output, weight, groups):
    """Why these kernels may not or cannot take a layer; None where they do: see `Device.tf32`.

    Arrays of bfloat16 need no permission.
    """
    if input.dtype == np.float64:
        return "not float32"
    if input.dtype == np.float32 and not device.tf32:
        return "TF32 is not allowed"
    if not device.has_tensor_cores:
        return "no tensor cores"
    if not input.size:
        return "no images"
    # Offsets in the kernels have 32 bits, and those of a tile go beyond the end.
    sizes = (_padded_size(images, groups) for images in (input, output))
    if max(*sizes, weight.size * _most_padding(weight.shape[1], input.itemsize)) >= 2**30:
        return "2^30 numbers or more"
    return "2^16 groups or more" if groups >= 2**16 else None


def forward(input, weight, bias, stride, padding, groups, relu, *, output):
    _multiply(input, weight, False, bias, relu, stride, padding, groups, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    """For stride 1: the convolution of grad_output with the flipped filters."""
    kernel_size = weight.shape[2:]
    padding = tuple(size - 1 - pad for size, pad in zip(kernel_size, padding))
    _multiply(grad_output, weight, True, None, False, stride, padding, groups, grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    N, H, W, C = input.shape
    _, OH, OW, OC = grad_output.shape
    KH, KW = grad_weight.shape[2:]
    inner, outer, pixels = C // groups, OC // groups, N * OH * OW
    size = _copy_size(input.itemsize, inner, outer)
    input, columns = _with_whole_copies(input, inner, size)
    grad_output, rows = _with_whole_copies(grad_output, outer, size)
    tile = _tile(rows, GRADIENT_TILES[size])
    tiles = -(-rows // tile) * -(-(KH * KW * columns) // _COLUMNS)
    parts = _parts(tiles * groups, pixels, _ROW_BYTES // input.itemsize)
    partial = device.empty((parts, groups, rows, KH, KW, columns), np.float32)
    _source.launch(
        f"weight_gradient<Real, {tile}, {size}>",
        input.dtype,
        (tiles, groups, parts),
        *(input, grad_output, partial, pixels, columns, rows, groups * rows),
        *(H, W, groups * columns, OH, OW, KH, KW, *stride, *padding),
        threads=_THREADS,
        shared_memory=gradient_memory(tile),
    )
    _total.launch(
        "weight_gradient_total",
        grad_weight.dtype,
        device.blocks(grad_weight.size),
        *(partial, grad_weight, np.int64(grad_weight.size), parts),
        *(np.int64(partial[0].size), outer, rows, inner, columns, KH, KW),
    )


def _multiply(images, weight, flipped, bias, relu, stride, padding, groups, output):
    """output = windows of the images @ filters + bias, or 0 if relu and that is negative."""
    outer, inner = output.shape[3] // groups, images.shape[3] // groups
    N, H, W, _ = images.shape
    _, OH, OW, OC = output.shape
    pixels, tile = N * OH * OW, _tile(outer, PRODUCT_TILES)
    size = _copy_size(images.itemsize, inner)
    images, padded = _with_whole_copies(images, inner, size)
    packed = _pack(weight, groups, flipped, padded, images.dtype)
    _source.launch(
        f"implicit_gemm<Real, {tile}, {size}>",
        images.dtype,
        (-(-pixels // _PIXELS) * -(-outer // tile), groups),
        *(images, packed, bias, np.bool_(relu), output, pixels, padded, outer, OC),
        *(H, W, groups * padded, OH, OW, *weight.shape[2:], *stride, *padding),
        threads=_THREADS,
        shared_memory=product_memory(tile),
    )


def _pack(weight, groups, flipped, padded, dtype):
    """The filters as (groups, outer, KH, KW, padded); flipped ones have their channels exchanged.

    `padded`: the channels of the images in a group, with those added that fill the last copy.
    """
    OC, inner, KH, KW = weight.shape
    outer = OC // groups
    if flipped:
        outer, inner = inner, outer
    packed = device.empty((groups, outer, KH, KW, padded), dtype)
    _source.launch(
        "pack_weights",
        dtype,
        device.blocks(packed.size),
        *(weight, packed, np.int64(packed.size), outer, inner, padded, KH, KW),
        np.bool_(flipped),
    )
    return packed


class _Padded(NamedTuple):
    images: object
    channels: int  # of a group


def _with_whole_copies(images, channels, size):
    """Images whose groups of channels are whole copies of `size` bytes: themselves, or a copy.

    Args:
        images: (N, H, W, groups * channels).
    """
    padded = _padded(channels, images.itemsize, size)
    if padded == channels and images.data.ptr % size == 0:
        return _Padded(images, channels)
    *pixels, C = images.shape
    result = device.empty((*pixels, C // channels * padded), images.dtype)
    _source.launch(
        "pad_channels",
        images.dtype,
        device.blocks(result.size),
        *(images, result, np.int64(result.size), channels, padded),
    )
    return _Padded(result, padded)


def _copy_size(itemsize, *channels):
    """Bytes of the copies that pad these groups of channels least, the larger of two as good."""
    return min(
        _COPIES, key=lambda size: np.prod([_padded(count, itemsize, size) for count in channels])
    )


def _padded(channels, itemsize, size):
    return -(-channels * itemsize // size) * size // itemsize


def _most_padding(channels, itemsize):
    """By how much a group of so many channels grows at most."""
    return _padded(channels, itemsize, max(_COPIES)) / channels


def _padded_size(images, groups):
    return images.size * _most_padding(images.shape[3] // groups, images.itemsize)


def _tile(channels, tiles):
    return min(tiles, key=lambda tile: -(-channels // tile) * tile)


def _parts(blocks, pixels, pixels_of_tile):
    """Into how many parts the sum over the pixels is cut, so that all multiprocessors work."""
    wanted = _BLOCKS_PER_MULTIPROCESSOR * device.multiprocessors // blocks
    return max(1, min(wanted, pixels // (8 * pixels_of_tile)))
