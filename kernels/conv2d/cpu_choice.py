"""Which of its three algorithms a convolution on the CPU takes, and why.

Layers with many channels, or with a stride that makes many of few, take Winograd's, which
multiplies least. The direct one takes all others but the input gradient with strides (or with
padding as wide as the window), where most products would be with zeros: that goes through im2col.
"""

from minigrad.kernels.conv2d import cpu_winograd
from minigrad.kernels.conv2d.cpu_winograd_tiles import MOST_TAPS, has_tiles
from minigrad.kernels.shared.choice import Choice

WINOGRAD, DIRECT, IM2COL = "winograd", "direct", "im2col"


def algorithm(function, output, weight, stride, padding, groups, bfloat16=False):
    """The name of the algorithm.

    Args:
        function: "forward", "forward_relu", "backward_input" or "backward_weight".
        output, weight: the arrays, or their gradients.
    """
    is_input_gradient = function == "backward_input"
    if not (is_input_gradient and stride != (1, 1)) and cpu_winograd.suits(
        output.shape, weight.shape, stride, groups, weight.dtype, bfloat16
    ):
        return WINOGRAD
    if is_input_gradient and _has_gaps(weight.shape, stride, padding):
        return IM2COL
    return DIRECT


def choice(function, arguments):
    """The algorithm of a call, with its arguments by name, and the reason in words."""
    output = arguments["output" if "output" in arguments else "grad_output"]
    weight = arguments["weight" if "weight" in arguments else "grad_weight"]
    window = arguments["stride"], arguments["padding"], arguments["groups"]
    name = algorithm(function, output, weight, *window, arguments["bfloat16"])
    stride, groups = arguments["stride"], arguments["groups"]
    return Choice(name, _reason(name, output.shape, weight.shape, stride, groups))


def _has_gaps(weight_shape, stride, padding):
    """Whether an input gradient multiplies zeros: between strides, or in wide padding."""
    KH, KW = weight_shape[2:]
    return stride != (1, 1) or padding[0] >= KH or padding[1] >= KW


def _reason(name, output_shape, weight_shape, stride, groups):
    if name == IM2COL:
        return "zeros between strides" if stride != (1, 1) else "wide padding"
    if name == DIRECT:
        if 0 in output_shape:
            return "nothing to compute"
        if not has_tiles(output_shape, weight_shape, stride):
            return f"no square of 2 to {MOST_TAPS} taps"
        return "Winograd saves little"
    _, channels, KH, KW = weight_shape
    window = f"{KH}x{KW}"
    if stride != (1, 1):
        window += f", stride {'x'.join(map(str, dict.fromkeys(stride)))}"
    return f"{window}, {channels} channels{' in a group' * (groups > 1)}"
