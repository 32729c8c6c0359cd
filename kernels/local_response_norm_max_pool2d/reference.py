"""Local response normalization and max-pooling: the loops of the two, one after the other."""

import numpy as np

from minigrad.kernels.local_response_norm import reference as local_response_norm
from minigrad.kernels.max_pool2d import reference as max_pool2d


def forward(input, size, alpha, beta, k, kernel_size, stride, padding, *, output, argmax):
    normalized = np.empty_like(input)
    local_response_norm.forward(input, size, alpha, beta, k, output=normalized)
    max_pool2d.forward(normalized, kernel_size, stride, padding, output=output, argmax=argmax)


def backward(
    grad_output, argmax, input, size, alpha, beta, k, kernel_size, stride, padding, *, grad_input
):
    window = kernel_size, stride, padding
    grad_normalized = np.empty(input.shape)
    max_pool2d.backward(grad_output, argmax, *window, grad_input=grad_normalized)
    local_response_norm.backward(
        grad_normalized, input, size, alpha, beta, k, grad_input=grad_input
    )
