"""Max-pooling in plain loops."""

import numpy as np


def forward(input, kernel_size, stride, padding, *, output, argmax):
    H, W = input.shape[2:]
    for n, c, oh, ow in np.ndindex(output.shape):
        best, best_index = None, None
        for kh, kw in np.ndindex(kernel_size):
            h = oh * stride[0] - padding[0] + kh
            w = ow * stride[1] - padding[1] + kw
            if not (0 <= h < H and 0 <= w < W):
                continue
            value = input[n, c, h, w]
            if best is None or value > best or (np.isnan(value) and not np.isnan(best)):
                best, best_index = value, h * W + w
        output[n, c, oh, ow] = best
        argmax[n, c, oh, ow] = best_index


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    OH, OW = grad_output.shape[2:]
    W = grad_input.shape[3]
    for n, c, h, w in np.ndindex(grad_input.shape):
        total = 0.0
        for kh, kw in np.ndindex(kernel_size):
            oh, skipped_h = divmod(h + padding[0] - kh, stride[0])
            ow, skipped_w = divmod(w + padding[1] - kw, stride[1])
            if skipped_h or skipped_w or not (0 <= oh < OH and 0 <= ow < OW):
                continue
            if argmax[n, c, oh, ow] == h * W + w:
                total += float(grad_output[n, c, oh, ow])
        grad_input[n, c, h, w] = total
