"""Local response normalization and max-pooling in plain loops."""

import numpy as np


def forward(input, size, alpha, beta, k, kernel_size, stride, padding, *, output, argmax):
    H, W = input.shape[2:]
    normalized = np.empty_like(input)
    for n, h, w in np.ndindex(len(input), H, W):
        x = [float(value) for value in input[n, :, h, w]]
        s = _scale(x, size, alpha, k)
        normalized[n, :, h, w] = [x[c] * s[c] ** -beta for c in range(len(x))]
    for n, c, oh, ow in np.ndindex(output.shape):
        best, best_index = None, None
        for kh, kw in np.ndindex(kernel_size):
            h = oh * stride[0] - padding[0] + kh
            w = ow * stride[1] - padding[1] + kw
            if not (0 <= h < H and 0 <= w < W):
                continue
            value = normalized[n, c, h, w]
            if best is None or value > best or (np.isnan(value) and not np.isnan(best)):
                best, best_index = value, h * W + w
        output[n, c, oh, ow] = best
        argmax[n, c, oh, ow] = best_index


def backward(
    grad_output, argmax, input, size, alpha, beta, k, kernel_size, stride, padding, *, grad_input
):
    C, H, W = input.shape[1:]
    # Of the normalized values: each window adds to the one that won it.
    grad = np.zeros(input.shape)
    for n, c, oh, ow in np.ndindex(grad_output.shape):
        h, w = divmod(int(argmax[n, c, oh, ow]), W)
        grad[n, c, h, w] += float(grad_output[n, c, oh, ow])
    for n, h, w in np.ndindex(len(input), H, W):
        x = [float(value) for value in input[n, :, h, w]]
        dy = grad[n, :, h, w]
        s = _scale(x, size, alpha, k)
        dx = [dy[c] * s[c] ** -beta for c in range(C)]
        for j in range(C):
            for c in _window(j, size, C):
                dx[c] -= 2 * alpha * beta / size * x[c] * dy[j] * x[j] * s[j] ** (-beta - 1)
        grad_input[n, :, h, w] = dx


def _window(c, size, C):
    return [j for j in range(c - size // 2, c + (size - 1) // 2 + 1) if 0 <= j < C]


def _scale(x, size, alpha, k):
    C = len(x)
    return [k + alpha / size * sum(x[j] ** 2 for j in _window(c, size, C)) for c in range(C)]
