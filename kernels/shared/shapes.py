"""How many positions a window has in an image: the shape formula of convolution and pooling."""


def output_length(size: int, window: int, stride: int, padding: int) -> int:
    """Positions along one side: floor((size + 2 * padding - window) / stride) + 1."""
    return (size + 2 * padding - window) // stride + 1


def output_size(
    input_shape: tuple[int, int, int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    operation: str = "conv2d",
) -> tuple[int, int]:
    """(OH, OW) for images (N, C, H, W).

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
    OH, OW = map(output_length, (H, W), kernel_size, stride, padding)
    return OH, OW
