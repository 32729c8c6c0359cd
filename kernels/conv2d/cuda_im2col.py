"""Convolution on the GPU as one matrix product per group: the plain path, in any float type.

With the windows of all pixels laid out as rows (`kernels/im2col`, in the memory order of images),

    output        = columns (N*OH*OW, IC*KH*KW) @ weight.T (IC*KH*KW, OC/G)
    columns' grad = grad_output @ weight, gathered back by col2im
    weight's grad = grad_output.T @ columns

The columns are KH * KW / (SH * SW) times as large as the images, so they are made for some images
at a time: enough to give every multiprocessor a tile of the product.
"""

from minigrad.kernels.bias import cuda as bias_kernels
from minigrad.kernels.im2col import cuda as im2col
from minigrad.kernels.im2col import output_shape
from minigrad.kernels.shared.device import device, layout

_COLUMNS = 128 << 20  # bytes at a time


def forward(input, weight, bias, stride, padding, groups, *, output):
    input, target = layout.channels_last(input), layout.begin(output)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    for part, columns in _parts(input, weight.shape[2:], stride, padding):
        im2col.forward(input[part], weight.shape[2:], stride, padding, output=columns)
        device.matmul(
            _by_group(columns, groups),
            rows.transpose(0, 2, 1),
            output=_pixels_by_group(target[part], groups),
        )
    layout.finish(target, output)
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    gradients, target = layout.memory(grad_output), layout.begin(grad_input)
    images = target.transpose(0, 3, 1, 2)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    for part, columns in _parts(images, weight.shape[2:], stride, padding):
        device.matmul(
            _pixels_by_group(gradients[part], groups), rows, output=_by_group(columns, groups)
        )
        im2col.backward(columns, weight.shape[2:], stride, padding, grad_input=images[part])
    layout.finish(target, grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    gradients, input = layout.memory(grad_output), layout.channels_last(input)
    totals = grad_weight.reshape(groups, grad_weight.shape[0] // groups, -1)
    kernel_size = grad_weight.shape[2:]
    for part, columns in _parts(input, kernel_size, stride, padding):
        im2col.forward(input[part], kernel_size, stride, padding, output=columns)
        device.matmul(
            _pixels_by_group(gradients[part], groups).transpose(0, 2, 1),
            _by_group(columns, groups),
            output=totals,
            accumulate=part.start > 0,
        )


def _parts(images, kernel_size, stride, padding):
    """(slice of the images, memory for their columns of shape (n, IC*KH*KW, OH*OW))."""
    N, rows, positions = output_shape(images.shape, kernel_size, stride, padding)
    at_once = min(N, max(1, _COLUMNS // (rows * positions * images.dtype.itemsize)))
    memory = device.empty((at_once, positions, rows), images.dtype)
    for start in range(0, N, at_once):
        part = slice(start, min(start + at_once, N))
        yield part, memory[: part.stop - start].transpose(0, 2, 1)


def _by_group(columns, groups):
    """Columns (n, G*R, P) as matrices (G, n*P, R)."""
    n, rows, positions = columns.shape
    memory = columns.transpose(0, 2, 1)
    return memory.reshape(n * positions, groups, rows // groups).transpose(1, 0, 2)


def _pixels_by_group(images, groups):
    """Images in memory order (n, H, W, C) as matrices (G, n*H*W, C/G)."""
    C = images.shape[3]
    return images.reshape(-1, groups, C // groups).transpose(1, 0, 2)
