"""Convolution on the GPU as one matrix product per group: the plain path, in any float type.

With the windows of all pixels laid out as rows (`kernels/im2col`),

    output        = columns (N*OH*OW, IC*KH*KW) @ weight.T (IC*KH*KW, OC/G)
    columns' grad = grad_output @ weight, added up by col2im
    weight's grad = grad_output.T @ columns

The columns are KH * KW / (SH * SW) times as large as the images, so they are made for some images
at a time: enough to give every multiprocessor a tile of the product.
"""

import math

from minigrad.kernels.bias import cuda as bias_kernels
from minigrad.kernels.im2col import cuda as im2col
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.layout import flat, rows
from minigrad.kernels.shared.shapes import output_size

_COLUMNS_BYTES = 128 << 20  # at a time


def forward(input, weight, bias, stride, padding, groups, *, output):
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    window = weight.shape[2:], stride, padding
    for part, columns in _parts(input, *window):
        im2col.forward(input[part], *window, output=columns)
        device.matmul(
            _by_group(columns, groups),
            filters.transpose(0, 2, 1),
            output=_by_group(output[part], groups),
        )
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    window = weight.shape[2:], stride, padding
    for part, columns in _parts(grad_input, *window):
        device.matmul(
            _by_group(grad_output[part], groups), filters, output=_by_group(columns, groups)
        )
        im2col.backward(columns, *window, grad_input=grad_input[part])


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    totals = flat(grad_weight).reshape(groups, grad_weight.shape[0] // groups, -1)
    window = grad_weight.shape[2:], stride, padding
    for part, columns in _parts(input, *window):
        im2col.forward(input[part], *window, output=columns)
        device.matmul(
            _by_group(grad_output[part], groups).transpose(0, 2, 1),
            _by_group(columns, groups),
            output=totals,
            accumulate=part.start > 0,
        )


def _parts(images, kernel_size, stride, padding):
    """(slice of the images, memory for their columns of shape (n, OH*OW, C*KH*KW)).

    Of no images there is one part, which makes the sum over them 0.
    """
    N, H, W, C = images.shape
    KH, KW = kernel_size
    OH, OW = output_size((N, C, H, W), kernel_size, stride, padding)
    shape = OH * OW, C * KH * KW
    at_once = max(1, min(N, _COLUMNS_BYTES // (math.prod(shape) * images.dtype.itemsize)))
    columns = device.empty((at_once, *shape), images.dtype)
    for start in range(0, max(N, 1), at_once):
        part = slice(start, min(start + at_once, N))
        yield part, columns[: part.stop - start]


def _by_group(array, groups):
    """A C-contiguous array (..., G*C) as matrices (G, rows, C)."""
    channels = array.shape[-1]
    return rows(array).reshape(-1, groups, channels // groups).transpose(1, 0, 2)
