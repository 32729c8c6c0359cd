"""The picture of `benchmarks.columns --plot`: two columns, and what crosses between them.

It has the form of figure 2 of the paper: one column above the other, from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alexnet.inference.layers import layer_costs
from alexnet.model import AlexNet
from alexnet.style import BLUE, GRAY, LARGE, NORMAL, VERMILION, add_axes, new_figure, save
from minigrad import nn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches, from the lower left corner.
WIDTH, HEIGHT = 11.6, 4.0
BOX_WIDTH, BOX_HEIGHT, GAP = 0.54, 0.9, 0.36
LEFT = 1.75  # of conv1
MIDDLES = 2.9, 1.55  # of the columns
LINES = {"channels, units": 0.72, "MB forward": 0.46, "MB of gradients back": 0.2}
COLORS = BLUE, VERMILION


@dataclass(frozen=True)
class Messages:
    """What each process sends before a layer.

    Attributes:
        before: the layer, or the loss.
        shape: of an array, images with their channels last.
        forward, backward: bytes in each pass; in the backward pass gradients of that shape.
    """

    before: str
    shape: tuple[int, ...]
    forward: int
    backward: int


class Box(NamedTuple):
    """A layer, together with the pooling after it.

    Attributes:
        name: of the layer.
        title: the names of both.
        channels: that come out of it, in column 1 and in column 2; or units.
        size: of an output map, as "55x55"; empty for units.
    """

    name: str
    title: str
    channels: tuple[int, int]
    size: str


def draw(
    messages: list[Messages], image_size: int, batch_size: int, num_classes: int, path: Path
) -> None:
    """Draw the layers of both columns, and what each process sends before which of them.

    Args:
        path: where the PNG goes.
    """
    figure = new_figure(HEIGHT, WIDTH)
    axes = add_axes(figure, 0, 0, WIDTH, HEIGHT)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    title = (
        f"What each process sends in a training step with {batch_size} images of "
        f"{image_size}x{image_size} and {num_classes} classes"
    )
    axes.text(0.15, HEIGHT - 0.25, title, fontsize=LARGE, weight="bold", va="center")
    _draw_beginning(axes)
    sent = {message.before: message for message in messages}
    for number, box in enumerate(boxes(image_size, num_classes)):
        left = LEFT + number * (BOX_WIDTH + GAP)
        if number:
            _draw_arrows(axes, left - GAP, left, sent.get(box.name))
        _draw_box(axes, left, box)
    save(figure, path)


def boxes(image_size: int, num_classes: int) -> list[Box]:
    """The boxes of the network, from left to right; the last one is the loss."""
    with nn.init.skipped():
        costs = layer_costs(AlexNet(num_classes, image_size), image_size)
    found: list[Box] = []
    for cost in costs:
        channels, *sides = cost.output_shape
        # Of an odd number of classes column 1 has one more.
        halves = channels - channels // 2, channels // 2
        size = "x".join(map(str, sides))
        if cost.kind == "MaxPool2d":
            layer = found.pop().name
            found.append(Box(layer, f"{layer}\n{cost.name}", halves, size))
        elif cost.kind in ("Conv2d", "LocalResponseNorm", "Linear"):
            found.append(Box(cost.name, cost.name, halves, size))
    return [*found, Box("loss", "loss", (num_classes, num_classes), "classes")]


def _draw_beginning(axes: Axes) -> None:
    """Names of the columns and of the lines of figures, and the images, which both columns get."""
    center = sum(MIDDLES) / 2
    axes.text(1.0, center, "the same\nimages", fontsize=NORMAL, ha="center", va="center")
    for rank, (middle, color) in enumerate(zip(MIDDLES, COLORS)):
        name = f"process {rank}\ncolumn {rank + 1}"
        axes.text(0.15, middle, name, fontsize=NORMAL, color=color, weight="bold", va="center")
        _draw_arrow(axes, (1.15, center + (0.2 if middle > center else -0.2)), (LEFT, middle), GRAY)
    for name, y in LINES.items():
        axes.text(0.15, y, name, fontsize=NORMAL, va="center")


def _draw_box(axes: Axes, left: float, box: Box) -> None:
    from matplotlib.patches import Rectangle

    for middle, color, channels in zip(MIDDLES, COLORS, box.channels):
        corner = left, middle - BOX_HEIGHT / 2
        axes.add_patch(Rectangle(corner, BOX_WIDTH, BOX_HEIGHT, fc="white", ec=color, lw=1.5))
        text = f"{box.title}\n{channels}\n{box.size}".strip()
        x = left + BOX_WIDTH / 2
        axes.text(x, middle, text, fontsize=NORMAL, ha="center", va="center", linespacing=1.3)


def _draw_arrows(axes: Axes, left: float, right: float, messages: Messages | None) -> None:
    """What comes into boxes from the boxes before them, and the figures below it."""
    for middle, color in zip(MIDDLES, COLORS):
        _draw_arrow(axes, (left, middle), (right, middle), color)
    if messages is None:
        return
    # Normalization gets no more than the nearest channels.
    style = ":" if messages.before.startswith("norm") else "-"
    for here, there, color in zip(MIDDLES, reversed(MIDDLES), COLORS):
        toward = 0.3 if here > there else -0.3
        _draw_arrow(axes, (left, here - toward), (right, there + toward), color, style)
    megabytes = (
        f"{size / 1e6:.2f}" if size else "-" for size in (messages.forward, messages.backward)
    )
    for y, text in zip(LINES.values(), (f"{messages.shape[-1]}", *megabytes)):
        axes.text((left + right) / 2, y, text, fontsize=NORMAL, ha="center", va="center")


def _draw_arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    style: str = "-",
) -> None:
    form = {"arrowstyle": "-|>", "color": color, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops={**form, "mutation_scale": 8, "linewidth": 1.2})
