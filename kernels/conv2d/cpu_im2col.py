"""Convolution as one matrix product per image and group: the plain path.

With the window of every output pixel laid out as a row (`kernels/im2col`),

    output        = columns (OH*OW, IC*KH*KW) @ weight.T (IC*KH*KW, OC/G)
    columns' grad = grad_output @ weight, added up by col2im
    weight's grad = sum over images of grad_output.T @ columns

Any batch size, stride and padding. The columns are KH * KW / (SH * SW) times as large as the
image, and writing them costs about as much as multiplying them.
"""

import numpy as np

from minigrad.kernels.bias import cpu as bias_kernels
from minigrad.kernels.im2col import cpu as im2col
from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.shapes import output_size


def forward(input, weight, bias, stride, padding, groups, *, output):
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    window = weight.shape[2:], stride, padding
    columns = _empty_columns(input, groups, *window)
    for n, g in np.ndindex(input.shape[0], groups):
        im2col.forward(_image(input, n, g, groups), *window, output=columns)
        pixels = pool.empty((columns.shape[1], filters.shape[1]), input.dtype)
        matmul.matmul(columns[0], filters[g].T, output=pixels)
        _group(output, g, groups)[n] = pixels.reshape(*output.shape[1:3], -1)
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    window = weight.shape[2:], stride, padding
    columns = _empty_columns(grad_input, groups, *window)
    for n, g in np.ndindex(grad_input.shape[0], groups):
        pixels = _image(grad_output, n, g, groups).reshape(-1, filters.shape[1])
        matmul.matmul(pixels, filters[g], output=columns[0])
        image = pool.empty((1, *grad_input.shape[1:3], weight.shape[1]), weight.dtype)
        im2col.backward(columns, *window, grad_input=image)
        _group(grad_input, g, groups)[n] = image[0]


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    OC = grad_weight.shape[0]
    window = grad_weight.shape[2:], stride, padding
    columns = _empty_columns(input, groups, *window)
    product = pool.empty((OC // groups, columns.shape[2]), input.dtype)
    totals = flat(grad_weight).reshape(groups, *product.shape)
    totals[...] = 0
    for n, g in np.ndindex(input.shape[0], groups):
        im2col.forward(_image(input, n, g, groups), *window, output=columns)
        pixels = _image(grad_output, n, g, groups).reshape(-1, OC // groups)
        matmul.matmul(pixels.T, columns[0], output=product)
        totals[g] += product


def _empty_columns(images, groups, kernel_size, stride, padding):
    """Memory for the columns of one image and group, (1, OH*OW, IC*KH*KW)."""
    N, H, W, C = images.shape
    KH, KW = kernel_size
    OH, OW = output_size((N, C, H, W), kernel_size, stride, padding)
    return pool.empty((1, OH * OW, C // groups * KH * KW), images.dtype)


def _group(images, g, groups):
    """The channels of one group, a view (N, H, W, C/G)."""
    N, H, W, C = images.shape
    return flat(images).reshape(N, H, W, groups, C // groups)[..., g, :]


def _image(images, n, g, groups):
    """One image and group as a C-contiguous array (1, H, W, C/G)."""
    return np.ascontiguousarray(_group(images, g, groups)[n : n + 1])
