"""Local response normalization in plain loops."""

import numpy as np


def forward(input, size, alpha, beta, k, *, output):
    N, C = input.shape[:2]
    for n, *position in np.ndindex(N, *input.shape[2:]):
        column = (n, slice(None), *position)
        x = [float(value) for value in input[column]]
        s = _scale(x, size, alpha, k)
        output[column] = [x[c] * s[c] ** -beta for c in range(C)]


def backward(grad_output, input, size, alpha, beta, k, *, grad_input):
    N, C = input.shape[:2]
    for n, *position in np.ndindex(N, *input.shape[2:]):
        column = (n, slice(None), *position)
        x = [float(value) for value in input[column]]
        dy = [float(value) for value in grad_output[column]]
        s = _scale(x, size, alpha, k)
        dx = [dy[c] * s[c] ** -beta for c in range(C)]
        for j in range(C):
            for c in _window(j, size, C):
                dx[c] -= 2 * alpha * beta / size * x[c] * dy[j] * x[j] * s[j] ** (-beta - 1)
        grad_input[column] = dx


def _window(c, size, C):
    return [j for j in range(c - size // 2, c + (size - 1) // 2 + 1) if 0 <= j < C]


def _scale(x, size, alpha, k):
    C = len(x)
    return [k + alpha / size * sum(x[j] ** 2 for j in _window(c, size, C)) for c in range(C)]
