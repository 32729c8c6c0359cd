"""im2col and col2im on the CPU: one task a row of an image, inner loops over the channels."""

from numba import prange

from minigrad.kernels.im2col import check_columns
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.shapes import output_size
from minigrad.kernels.shared.threads import jit, parallel_jit


def forward(input, kernel_size, stride, padding, *, output):
    arrays = {"input": input, "output": output}
    check_columns("im2col.forward", arrays, kernel_size, stride, padding)
    columns = _by_tap(output, input.shape, kernel_size, stride, padding)
    _forward(input, stride, padding, columns)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    arrays = {"grad_input": grad_input, "grad_output": grad_output}
    check_columns("im2col.backward", arrays, kernel_size, stride, padding)
    columns = _by_tap(grad_output, grad_input.shape, kernel_size, stride, padding)
    _backward(columns, stride, padding, grad_input)


def _by_tap(columns, image_shape, kernel_size, stride, padding):
    """The columns as a view (N, OH, OW, C, KH, KW)."""
    N, H, W, C = image_shape
    output = output_size((N, C, H, W), kernel_size, stride, padding)
    return flat(columns).reshape(N, *output, C, *kernel_size)


@parallel_jit
def _forward(input, stride, padding, columns):
    H, W, C = input.shape[1:]
    N, OH, OW, _, KH, KW = columns.shape
    SH, SW = stride
    PH, PW = padding
    for task in prange(N * OH):
        n, oh = task // OH, task % OH
        for ow in range(OW):
            window = columns[n, oh, ow]
            for kh in range(KH):
                h = oh * SH + kh - PH
                for kw in range(KW):
                    w = ow * SW + kw - PW
                    if 0 <= h < H and 0 <= w < W:
                        for c in range(C):
                            window[c, kh, kw] = input[n, h, w, c]
                    else:
                        for c in range(C):
                            window[c, kh, kw] = 0


@parallel_jit
def _backward(columns, stride, padding, grad_input):
    N, H, W, C = grad_input.shape
    _, OH, OW, _, KH, KW = columns.shape
    SH, SW = stride
    PH, PW = padding
    for task in prange(N * H):
        n, h = task // H, task % H
        row = grad_input[n, h]
        row[:] = 0
        for kh in range(KH):
            oh = (h + PH - kh) // SH
            if oh * SH != h + PH - kh or oh < 0 or oh >= OH:
                continue
            for kw in range(KW):
                first, last = _inside(kw, SW, PW, W, OW)
                for ow in range(first, last):
                    for c in range(C):
                        row[ow * SW + kw - PW, c] += columns[n, oh, ow, c, kh, kw]


@jit
def _inside(k, stride, padding, size, output_size):
    """The output positions [first, last) whose window element k lies inside the image."""
    first = min(max(0, (padding - k + stride - 1) // stride), output_size)
    last = min(output_size, (size - 1 + padding - k) // stride + 1)
    return first, max(last, first)
