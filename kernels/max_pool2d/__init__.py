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

Cost: KH * KW comparisons an output element; each array is moved once.
"""

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
