"""Which inputs an output is made of, and which outputs an input goes into."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from alexnet.model.layers import ColumnNorm
from minigrad import nn


class Window(NamedTuple):
    """The pixels that an output at a place looks at; they may lie beyond the image.

    Attributes:
        rows, columns: their numbers, negative above and to the left of the image.
    """

    rows: range
    columns: range

    @classmethod
    def of(cls, module: Any, row: int, column: int) -> "Window":
        """That of a convolution or a pooling, without dilation, which no network here has."""
        window = map(pair, (module.kernel_size, module.stride, module.padding))
        ranges = []
        for at, size, stride, padding in zip((row, column), *window):
            start = at * stride - padding
            ranges.append(range(start, start + size))
        return cls(*ranges)

    @property
    def corner(self) -> tuple[int, int]:
        return self.rows.start, self.columns.start

    def cut(self, images: np.ndarray, outside: float = 0.0) -> np.ndarray:
        """The pixels (C, KH, KW) of images (C, H, W)."""
        C, H, W = images.shape
        found = np.full((C, len(self.rows), len(self.columns)), outside, images.dtype)
        for kh, kw in product(range(len(self.rows)), range(len(self.columns))):
            h, w = self.rows[kh], self.columns[kw]
            if 0 <= h < H and 0 <= w < W:
                found[:, kh, kw] = images[:, h, w]
        return found

    def is_inside(self, shape: Sequence[int], at: tuple[int, ...]) -> bool:
        """Whether element (channel, kh, kw) of a window lies in images (C, H, W)."""
        h, w = self.rows[at[1]], self.columns[at[2]]
        return 0 <= h < shape[1] and 0 <= w < shape[2]


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def input_channels(conv: nn.Conv2d, channel: int) -> range:
    """The input channels that an output channel of a convolution sees: those of its group."""
    inputs = conv.weight.shape[1]
    first = channel // (conv.out_channels // conv.groups) * inputs
    return range(first, first + inputs)


def senders(module: Any, position: int, axis: int, count: int) -> list[tuple[int, int]]:
    """The outputs along an axis whose windows hold an input, and at which tap they do.

    Args:
        module: a convolution or a pooling.
        position: row or column of the input.
        axis: 0 for rows, 1 for columns.
        count: of the outputs along the axis.
    """
    size, stride, padding = (
        pair(value)[axis] for value in (module.kernel_size, module.stride, module.padding)
    )
    found = []
    for tap in range(size):
        output, remainder = divmod(position + padding - tap, stride)
        if remainder == 0 and 0 <= output < count:
            found.append((output, tap))
    return found


def channel_window(module: Any, channel: int, channels: int) -> range:
    """The channels whose squares a normalization adds up for one of `channels`."""
    first, last = 0, channels
    if isinstance(module, ColumnNorm):
        column = channels // module.columns
        first = channel // column * column
        last = first + column
    start, stop = channel - module.size // 2, channel + (module.size - 1) // 2 + 1
    return range(max(start, first), min(stop, last))
