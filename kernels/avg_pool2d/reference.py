"""Average pooling in plain loops."""

import numpy as np


def forward(input, kernel_size, stride, padding, *, output):
    H, W = input.shape[2:]
    KH, KW = kernel_size
    for n, c, oh, ow in np.ndindex(output.shape):
        total = 0.0
        for kh, kw in np.ndindex(kernel_size):
            h = oh * stride[0] - padding[0] + kh
            w = ow * stride[1] - padding[1] + kw
            if 0 <= h < H and 0 <= w < W:
                total += float(input[n, c, h, w])
        output[n, c, oh, ow] = total / (KH * KW)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    OH, OW = grad_output.shape[2:]
    KH, KW = kernel_size
    for n, c, h, w in np.ndindex(grad_input.shape):
        total = 0.0
        for kh, kw in np.ndindex(kernel_size):
            oh, skipped_h = divmod(h + padding[0] - kh, stride[0])
            ow, skipped_w = divmod(w + padding[1] - kw, stride[1])
            if not (skipped_h or skipped_w) and 0 <= oh < OH and 0 <= ow < OW:
                total += float(grad_output[n, c, oh, ow])
        grad_input[n, c, h, w] = total / (KH * KW)
