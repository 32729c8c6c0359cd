"""Fully connected layer.

    output[n, o] = bias[o] + sum over i of weight[o, i] * input[n, i]

    input     (N, I)
    weight    (O, I)
    bias      (O,) or None
    output    (N, O)

``backward_input``: grad_input = grad_output @ weight. ``backward_weight``: grad_weight =
grad_output.T @ input. Cost of each of the three: 2 * N * O * I FLOPs; at small N reading
the weights (4 * O * I bytes) is what takes the time.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_linear(kernel, arrays):
    """Raise unless the arrays are those of the contract.

    Args:
        kernel: its name, with which messages begin.
        arrays: by name and in this order: input, weight and output, or their gradients, then the
            bias or None.
    """
    input, weight, *_ = arrays.values()
    (rows, inputs), outputs = input.shape, weight.shape[0]
    shapes = (rows, inputs), (outputs, inputs), (rows, outputs), (outputs,)
    check_arrays(kernel, arrays, shapes)
