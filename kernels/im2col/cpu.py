"""im2col and col2im on the CPU: one thread a channel plane, inner loops along image rows."""

from numba import prange

from minigrad.kernels.shared.threads import jit, parallel_jit


def forward(input, kernel_size, stride, padding, *, output):
    _forward(input, *kernel_size, *stride, *padding, output)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    _backward(grad_output, *kernel_size, *stride, *padding, grad_input)


@jit
def _inside(k, step, pad, size, out_size):
    """The output positions [first, last) whose window element k lies inside the image."""
    first = max(0, (pad - k + step - 1) // step)
    last = min(out_size, (size - 1 + pad - k) // step + 1)
    return min(first, out_size), max(last, min(first, out_size))


@parallel_jit
def _forward(input, KH, KW, SH, SW, PH, PW, output):
    N, C, H, W = input.shape
    OH, OW = (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1
    for plane in prange(N * C):
        n, c = plane // C, plane % C
        image = input[n, c]
        for kh in range(KH):
            for kw in range(KW):
                row = output[n, (c * KH + kh) * KW + kw]
                first, last = _inside(kw, SW, PW, W, OW)
                for oh in range(OH):
                    columns = row[oh * OW : (oh + 1) * OW]
                    h = oh * SH + kh - PH
                    if h < 0 or h >= H:
                        columns[:] = 0
                        continue
                    columns[:first] = 0
                    columns[last:] = 0
                    source = image[h]
                    for ow in range(first, last):
                        columns[ow] = source[ow * SW + kw - PW]


@parallel_jit
def _backward(grad_output, KH, KW, SH, SW, PH, PW, grad_input):
    N, C, H, W = grad_input.shape
    OH, OW = (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1
    for plane in prange(N * C):
        n, c = plane // C, plane % C
        image = grad_input[n, c]
        image[:] = 0
        for kh in range(KH):
            for kw in range(KW):
                row = grad_output[n, (c * KH + kh) * KW + kw]
                first, last = _inside(kw, SW, PW, W, OW)
                for oh in range(OH):
                    h = oh * SH + kh - PH
                    if 0 <= h < H:
                        target = image[h]
                        for ow in range(first, last):
                            target[ow * SW + kw - PW] += row[oh * OW + ow]
