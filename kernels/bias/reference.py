"""Bias in plain loops."""

import numpy as np


def forward(input, bias, *, output):
    for index in np.ndindex(input.shape):
        output[index] = input[index] + bias[index[1]]


def backward_relu(grad_output, output, *, grad_input, grad_bias):
    for index in np.ndindex(output.shape):
        grad_input[index] = 0 if output[index] <= 0 else grad_output[index]
    backward(grad_input, grad_bias=grad_bias)


def backward(grad_output, *, grad_bias):
    for c in range(grad_bias.size):
        grad_bias[c] = sum(float(value) for value in grad_output[:, c].flat)
