"""Adding one number per channel.

    forward     output[..., c] = input[..., c] + bias[c]
    backward    grad_bias[c] = sum over all images and positions of grad_output[..., c]
    backward_relu
                grad_input = grad_output, but 0 where `output` is not positive (as kernels/relu);
                grad_bias[c] = sum over all images and positions of grad_input[..., c]

`backward_relu` is for a bias that a ReLU follows, whose ``output`` it takes. ``input``, ``output``,
``grad_output`` and ``grad_input`` have the shape (N, C) or (N, H, W, C) and are C-contiguous,
``bias`` and ``grad_bias`` (C,). The gradient of the input is ``grad_output`` itself. ``output`` may
be ``input``.

The sum runs in float64 whatever the dtype: it has N*H*W terms (387,200 in the first layer of
AlexNet at batch 128), too many for float32, and memory is slower than the conversion.

Cost: one addition an element; forward reads and writes it once, backward reads it once;
backward_relu reads two arrays and writes one, where two kernels would read three.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_bias(kernel, arrays):
    """Raise unless the arrays, the bias or its gradient last, are those of the contract."""
    shape = next(iter(arrays.values())).shape
    shapes = [*[shape] * (len(arrays) - 1), shape[-1:]]
    check_arrays(kernel, arrays, shapes, parameters=("bias", "grad_bias"))


def flops(function, arguments):
    """Of a call, with its arguments by name; a comparison counts as one."""
    if function == "backward_relu":
        return 2 * arguments["grad_output"].size
    return arguments["input" if function == "forward" else "grad_output"].size
