"""Max-pooling: the largest element of every window.

    forward     output[n, oh, ow, c] = max of input[n, h, w, c] over the window of (oh, ow)
                argmax[n, oh, ow, c] = h * W + w of that element
    backward    grad_input[n, h, w, c] = sum of grad_output[n, oh, ow, c] over all windows with
                argmax[n, oh, ow, c] = h * W + w

    window of (oh, ow)      oh * SH - PH <= h < oh * SH - PH + KH and 0 <= h < H, the same in w
    input, grad_input       (N, H, W, C), C-contiguous as the others
    output, grad_output     (N, OH, OW, C)
    argmax                  (N, OH, OW, C) int32
    kernel_size, stride, padding    pairs (height, width); at most half a window is padding

Windows may overlap (stride < kernel_size, section 3.4 of the AlexNet paper) or leave gaps. The last
ones may reach beyond the padding, where OH and OW are larger than without ceil_mode. Padding never
wins. Of equal maxima the first in row-major order wins, and so does the first NaN.

Cost: forward KH * KW comparisons an output element, backward one addition; each array is moved
once.
"""

import math

from minigrad.kernels.shared.arguments import check_arrays
from minigrad.kernels.shared.shapes import output_size


def output_shape(
    input_shape: tuple[int, int, int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    operation: str = "max_pool2d",
    ceil_mode: bool = False,
) -> tuple[int, int, int, int]:
    """The shape (N, C, OH, OW) for an input (N, C, H, W).

    OH = floor((H + 2 * PH - KH) / SH) + 1, and the same in width; with `ceil_mode` rounded up, as
    far as every window holds a pixel.

    Raises:
        ValueError: a window does not fit the padded input, or the padding is more than half
            of the window. The message begins with `operation`.
    """
    N, C, _, _ = input_shape
    for name, window, pad in zip(("height", "width"), kernel_size, padding):
        if pad > window // 2:
            raise ValueError(
                f"{operation}: padding {pad} in {name} is more than half of the window "
                f"{kernel_size[0]}x{kernel_size[1]}"
            )
    return (N, C, *output_size(input_shape, kernel_size, stride, padding, operation, ceil_mode))


def check_pooling(kernel, arrays, kernel_size, stride, padding):
    """Raise unless the arrays are those of the contract, and every window holds a pixel.

    Args:
        kernel: its name, with which messages begin.
        arrays: by name and in this order: of the shape of the input, of the shape of the output,
            argmax where there is one. More or fewer windows than `output_shape` says are right.
    """
    images, pooled, *_ = arrays.values()
    (N, H, W, C), (_, OH, OW, _) = images.shape, pooled.shape
    shapes = (N, H, W, C), (N, OH, OW, C), (N, OH, OW, C)
    check_arrays(kernel, arrays, shapes, {"argmax": "int32"})
    for size, count, window, step, pad in zip((H, W), (OH, OW), kernel_size, stride, padding):
        if not (step >= 1 and 0 <= 2 * pad <= window and (count - 1) * step < size + pad):
            raise ValueError(
                f"{kernel}: {count} windows of {window} pixels with stride {step} and padding "
                f"{pad} do not all hold one of {size} pixels"
            )


def flops(function, arguments):
    """Of a call, with its arguments by name; a comparison counts as one."""
    if function == "backward":
        return arguments["grad_output"].size
    return math.prod(arguments["kernel_size"]) * arguments["output"].size
