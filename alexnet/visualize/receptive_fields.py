"""Which pixels of an image an output of a convolution depends on."""

from typing import NamedTuple

from minigrad import nn
from minigrad.kernels.shared.shapes import output_length


class Box(NamedTuple):
    """A rectangle of pixels: rows from top to before bottom, columns from left to before right."""

    top: int
    left: int
    bottom: int
    right: int


def windows(part: nn.Sequential) -> list[tuple[int, int, int]]:
    """Size, stride and padding of the convolutions and poolings, from input to output."""
    found = []
    for module in part:
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            size = module.kernel_size
            size = size if isinstance(size, int) else size[0]
            found.append((size, module.stride, module.padding))
    return found


def receptive_field(
    windows: list[tuple[int, int, int]], row: int, column: int, image_size: int | None = None
) -> Box:
    """The pixels of the input that an output at a position depends on.

    Args:
        windows: size, stride and padding of each layer, from input to output; all are square.
        row, column: the position in the output of the last layer.
        image_size: height and width of the input. Without it the image has no borders, and the
            box may begin at negative numbers: all boxes have the same size.
    """
    sizes = [image_size]
    for size, stride, padding in windows if image_size else []:
        sizes.append(output_length(sizes[-1], size, stride, padding))

    def extent(position: int) -> tuple[int, int]:
        first = last = position
        for number in reversed(range(len(windows))):
            size, stride, padding = windows[number]
            first = first * stride - padding
            last = last * stride - padding + size - 1
            if image_size:  # what is beyond a border is zero, whatever the image is
                first, last = max(first, 0), min(last, sizes[number] - 1)
        return first, last + 1

    (top, bottom), (left, right) = extent(row), extent(column)
    return Box(top, left, bottom, right)
