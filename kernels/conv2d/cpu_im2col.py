"""Convolution as one matrix product per image and group: the plain path.

With the windows laid out as columns (`kernels/im2col`),

    output        = weight (OC/G, IC*KH*KW) @ columns (IC*KH*KW, OH*OW)
    columns' grad = weight.T @ grad_output, scattered back by col2im
    weight's grad = sum over images of grad_output @ columns.T

Any batch size, stride and padding. The columns are KH * KW / (SH * SW) times as large as the
image, and writing them costs about as much as multiplying them.
"""

from minigrad.kernels.bias import cpu as bias_kernels
from minigrad.kernels.im2col import cpu as im2col
from minigrad.kernels.im2col import output_shape
from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.layout import cpu as layout
from minigrad.kernels.shared.memory import pool


def forward(input, weight, bias, stride, padding, groups, *, output):
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = _columns(input, weight.shape[2:], stride, padding)
    products = pool.empty((groups, rows.shape[1], columns.shape[2]), input.dtype)
    for n in range(input.shape[0]):
        im2col.forward(input[n : n + 1], weight.shape[2:], stride, padding, output=columns)
        for g, group_columns in enumerate(_by_group(columns, groups)):
            matmul.matmul(rows[g], group_columns, output=products[g])
        output[n] = products.reshape(output.shape[1:])
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = _columns(grad_input, weight.shape[2:], stride, padding)
    grad_output = layout.contiguous(grad_output)
    for n in range(grad_input.shape[0]):
        gradients = grad_output[n].reshape(groups, rows.shape[1], -1)
        for g, group_columns in enumerate(_by_group(columns, groups)):
            matmul.matmul(rows[g].T, gradients[g], output=group_columns)
        im2col.backward(
            columns, weight.shape[2:], stride, padding, grad_input=grad_input[n : n + 1]
        )


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    OC = grad_weight.shape[0]
    kernel_size = grad_weight.shape[2:]
    columns = _columns(input, kernel_size, stride, padding)
    product = pool.empty((OC // groups, columns.shape[1] // groups), input.dtype)
    grad_output = layout.contiguous(grad_output)
    grad_weight[...] = 0
    totals = grad_weight.reshape(groups, *product.shape)
    for n in range(input.shape[0]):
        im2col.forward(input[n : n + 1], kernel_size, stride, padding, output=columns)
        gradients = grad_output[n].reshape(groups, OC // groups, -1)
        for g, group_columns in enumerate(_by_group(columns, groups)):
            matmul.matmul(gradients[g], group_columns.T, output=product)
            totals[g] += product


def _columns(image, kernel_size, stride, padding):
    """Memory for the columns of one image."""
    shape = output_shape((1, *image.shape[1:]), kernel_size, stride, padding)
    return pool.empty(shape, image.dtype)


def _by_group(columns, groups):
    return columns.reshape(groups, columns.shape[1] // groups, columns.shape[2])
