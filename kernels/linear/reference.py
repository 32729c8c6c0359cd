"""The fully connected layer in plain loops."""

from minigrad.kernels.shared.bfloat16 import round_to_bfloat16


def forward(input, weight, bias, *, output, bfloat16=False):
    if bfloat16:
        input, weight = round_to_bfloat16(input), round_to_bfloat16(weight)
    output[...] = 0 if bias is None else bias
    for n in range(input.shape[0]):
        for o in range(weight.shape[0]):
            for i in range(weight.shape[1]):
                output[n, o] += weight[o, i] * input[n, i]


def backward_input(grad_output, weight, *, grad_input, bfloat16=False):
    if bfloat16:
        grad_output, weight = round_to_bfloat16(grad_output), round_to_bfloat16(weight)
    grad_input[...] = 0
    for n in range(grad_output.shape[0]):
        for o in range(weight.shape[0]):
            grad_input[n] += grad_output[n, o] * weight[o]


def backward_weight(grad_output, input, *, grad_weight, bfloat16=False):
    if bfloat16:
        grad_output, input = round_to_bfloat16(grad_output), round_to_bfloat16(input)
    grad_weight[...] = 0
    for n in range(grad_output.shape[0]):
        for o in range(grad_weight.shape[0]):
            grad_weight[o] += grad_output[n, o] * input[n]
