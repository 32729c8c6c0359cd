"""Adding one number per channel.

    forward     output[..., c] = input[..., c] + bias[c]
    backward    grad_bias[c] = sum over all images and positions of grad_output[..., c]

``input``, ``output``, ``grad_output`` have the shape (N, C) or (N, H, W, C) and are C-contiguous,
``bias`` and ``grad_bias`` (C,). The gradient of the input is ``grad_output`` itself. ``output`` may
be ``input``.

The sum runs in float64 whatever the dtype: it has N*H*W terms (387,200 in the first layer of
AlexNet at batch 128), too many for float32, and memory is slower than the conversion.

Cost: one addition an element; forward reads and writes it once, backward reads it once.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_bias(kernel, arrays):
    """Raise unless the arrays, the bias or its gradient last, are those of the contract."""
    shape = next(iter(arrays.values())).shape
    shapes = [*[shape] * (len(arrays) - 1), shape[-1:]]
    check_arrays(kernel, arrays, shapes, parameters=("bias", "grad_bias"))


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return arguments["input" if function == "forward" else "grad_output"].size
