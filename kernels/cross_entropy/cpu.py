"""Cross entropy in Numba: parallel over the rows."""

import numpy as np
from numba import prange

from minigrad.kernels.shared.threads import parallel_jit


def forward(input, target, *, loss, log_sum_exp):
    _forward(input, target, loss, log_sum_exp)


def backward(grad_loss, input, target, log_sum_exp, *, grad_input):
    _backward(grad_loss, input, target, log_sum_exp, grad_input)


@parallel_jit
def _forward(input, target, loss, log_sum_exp):
    N, C = input.shape
    for n in prange(N):
        if target[n] < 0:
            log_sum_exp[n] = loss[n] = 0
            continue
        logits = input[n]
        largest = logits[0]
        for c in range(1, C):
            largest = logits[c] if logits[c] > largest else largest
        total = input.dtype.type(0)
        for c in range(C):
            total += np.exp(logits[c] - largest)
        # In float64, where the difference of large logits keeps the digits of a small loss.
        value = np.float64(largest) + np.log(np.float64(total))
        log_sum_exp[n] = value
        loss[n] = value - np.float64(logits[target[n]])


@parallel_jit
def _backward(grad_loss, input, target, log_sum_exp, grad_input):
    N, C = input.shape
    for n in prange(N):
        if target[n] < 0:
            grad_input[n] = 0
            continue
        for c in range(C):
            grad_input[n, c] = grad_loss[n] * np.exp(input[n, c] - log_sum_exp[n])
        grad_input[n, target[n]] -= grad_loss[n]
