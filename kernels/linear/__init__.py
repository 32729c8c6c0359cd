"""Fully connected layer.

    output[n, o] = bias[o] + sum over i of weight[o, i] * input[n, i]

    input     (N, I)
    weight    (O, I)
    bias      (O,) or None
    output    (N, O)

``backward_input``: grad_input = grad_output @ weight. ``backward_weight``: grad_weight =
grad_output.T @ input. Cost of each of the three: 2 * N * O * I FLOPs; at small N reading
the weights (4 * O * I bytes) is what takes the time.

With ``bfloat16=True`` both factors are rounded to bfloat16 before they are multiplied
(`kernels.shared.bfloat16`). Sums and all arrays are float32; on a GPU factors are bfloat16, and so
is the gradient of the input.
"""

from minigrad.kernels.shared.arguments import check_arrays, check_rounding


def check_linear(kernel, arrays, bfloat16=False):
    """Raise unless the arrays are those of the contract.

    Args:
        kernel: its name, with which messages begin.
        arrays: by name and in this order: input, weight and output, or their gradients, then the
            bias or None.
        bfloat16: whether factors are rounded to it.
    """
    input, weight, *_ = arrays.values()
    (rows, inputs), outputs = input.shape, weight.shape[0]
    shapes = (rows, inputs), (outputs, inputs), (rows, outputs), (outputs,)
    check_arrays(kernel, arrays, shapes, parameters=("grad_weight", "bias", "output"))
    check_rounding(kernel, input, bfloat16)


def multiply_adds(rows, weight_shape):
    """Of each of the three products, for an input of so many rows."""
    outputs, inputs = weight_shape
    return rows * outputs * inputs


def flops(function, arguments):
    """Of a call, with its arguments by name: two for each multiply-add; the bias is left out."""
    rows = len(arguments["input" if function == "forward" else "grad_output"])
    weight = arguments["grad_weight" if function == "backward_weight" else "weight"]
    return 2 * multiply_adds(rows, weight.shape)
