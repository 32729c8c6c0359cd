"""Average pooling: the mean of every window.

    forward     output[n, oh, ow, c] = 1 / (KH * KW) * sum of input[n, h, w, c] over the window
                of (oh, ow)
    backward    grad_input[n, h, w, c] = 1 / (KH * KW) * sum of grad_output[n, oh, ow, c] over
                all windows that hold (h, w)

    window of (oh, ow)      oh * SH - PH <= h < oh * SH - PH + KH, the same in w
    input, grad_input       (N, H, W, C), C-contiguous as the others
    output, grad_output     (N, OH, OW, C)
    kernel_size, stride, padding    pairs (height, width); at most half a window is padding

The zeros of the padding count as elements, PyTorch's default. So does what the last windows cover
beyond the padding, where OH and OW are larger than without ceil_mode.

Cost: KH * KW additions an output element; each array is moved once.
"""

import math

from minigrad.kernels import max_pool2d


def output_shape(
    input_shape: tuple[int, int, int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    ceil_mode: bool = False,
) -> tuple[int, int, int, int]:
    """The shape (N, C, OH, OW) for an input (N, C, H, W): formula and errors of max-pooling."""
    return max_pool2d.output_shape(
        input_shape, kernel_size, stride, padding, "avg_pool2d", ceil_mode
    )


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    pooled = arguments["output" if function == "forward" else "grad_output"]
    return math.prod(arguments["kernel_size"]) * pooled.size
