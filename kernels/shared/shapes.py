"""How many positions a window has in an image: the shape formula of convolution and pooling."""


def output_length(
    size: int, window: int, stride: int, padding: int, ceil_mode: bool = False
) -> int:
    """Positions along one side: floor((size + 2 * padding - window) / stride) + 1.

    With `ceil_mode` the quotient is rounded up, so that the last window may reach beyond the
    padding, but not if it would begin there: it would hold nothing of the image.
    """
    room = size + 2 * padding - window
    if not ceil_mode:
        return room // stride + 1
    length = -(-room // stride) + 1
    return length if (length - 1) * stride < size + padding else length - 1


def extent(kernel_size: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Height and width that a window covers whose elements are `dilation` pixels apart."""
    KH, KW = ((size - 1) * gap + 1 for size, gap in zip(kernel_size, dilation))
    return KH, KW


def output_size(
    input_shape: tuple[int, int, int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    operation: str = "conv2d",
    ceil_mode: bool = False,
) -> tuple[int, int]:
    """(OH, OW) for images (N, C, H, W); `kernel_size` is the extent of a window.

    Raises:
        ValueError: the window does not fit the padded input. The message begins with `operation`.
    """
    _, _, H, W = input_shape
    for name, size, window, pad in zip(("height", "width"), (H, W), kernel_size, padding):
        if size + 2 * pad < window:
            raise ValueError(
                f"{operation}: window {kernel_size[0]}x{kernel_size[1]} with padding {pad} does "
                f"not fit input {name} {size} (input shape {tuple(input_shape)})"
            )
    OH, OW = map(output_length, (H, W), kernel_size, stride, padding, (ceil_mode, ceil_mode))
    return OH, OW
