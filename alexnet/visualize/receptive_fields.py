"""Which pixels of an image an output of a convolution depends on."""

from collections.abc import Iterable
from typing import NamedTuple

from alexnet.model.layers import WithinChannelNorm
from minigrad import nn
from minigrad.kernels.shared.shapes import output_length


class Box(NamedTuple):
    """A rectangle of pixels: rows from top to before bottom, columns from left to before right."""

    top: int
    left: int
    bottom: int
    right: int


class Window(NamedTuple):
    """What a layer looks at, a square of pixels; as the arguments of a pooling."""

    size: int
    stride: int = 1
    padding: int = 0
    ceil_mode: bool = False


def windows(modules: Iterable[nn.Module]) -> list[Window]:
    """Of all layers that look at more than a pixel, from input to output."""
    found = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            found.append(Window(module.kernel_size[0], module.stride, module.padding))
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            size, stride, padding = module.kernel_size, module.stride, module.padding
            found.append(Window(size, stride, padding, module.ceil_mode))
        elif isinstance(module, WithinChannelNorm):
            found.append(Window(module.size, padding=module.size // 2))
    return found


def receptive_field(
    windows: list[Window], row: int, column: int, image_size: int | None = None
) -> Box:
    """The pixels of the input that an output at a position depends on.

    Args:
        windows: of the layers, from input to output.
        row, column: the position in the output of the last layer.
        image_size: height and width of the input. Without it the image has no borders, and the
            box may begin at negative numbers: all boxes have the same size.
    """
    sizes = [image_size]
    for window in windows if image_size else []:
        sizes.append(output_length(sizes[-1], *window))

    def extent(position: int) -> tuple[int, int]:
        first = last = position
        for number in reversed(range(len(windows))):
            size, stride, padding, _ = windows[number]
            first = first * stride - padding
            last = last * stride - padding + size - 1
            if image_size:  # what is beyond a border is zero, whatever the image is
                first, last = max(first, 0), min(last, sizes[number] - 1)
        return first, last + 1

    (top, bottom), (left, right) = extent(row), extent(column)
    return Box(top, left, bottom, right)
