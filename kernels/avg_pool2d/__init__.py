"""Average pooling: the mean of every window.

    forward     output[n, c, oh, ow] = 1 / (KH * KW) * sum of input[n, c, h, w] over the window
                of (oh, ow)
    backward    grad_input[n, c, h, w] = 1 / (KH * KW) * sum of grad_output[n, c, oh, ow] over
                all windows that hold (h, w)

    window of (oh, ow)      oh * SH - PH <= h < oh * SH - PH + KH, the same in w
    input, grad_input       (N, C, H, W)
    output, grad_output     (N, C, OH, OW)
    kernel_size, stride, padding    pairs (height, width); at most half a window is padding

The zeros of the padding count as elements, PyTorch's default.

Cost: KH * KW additions an output element; each array is moved once.
"""

from minigrad.kernels import max_pool2d


def output_shape(
    input_shape: tuple[int, int, int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[int, int, int, int]:
    """The shape (N, C, OH, OW), with the formula and the errors of max-pooling."""
    return max_pool2d.output_shape(
        input_shape, kernel_size, stride, padding, operation="avg_pool2d"
    )
