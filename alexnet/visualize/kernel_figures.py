"""Pictures of kernels: conv1's in color, as the paper's figure 3; later layers' slice by slice."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from alexnet.style import NORMAL, PAGE_WIDTH, SMALL, add_axes, add_text, colormap, new_figure
from alexnet.visualize.mosaic import mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NORMALIZATIONS = {
    "filter": "each kernel at full contrast",
    "column": "contrast relative to the strongest weight of the column",
    "joint": "contrast relative to the strongest weight of the layer",
}
PER_ROW = 16  # kernels, as in the paper's figure
MAX_EPOCHS = 8  # fit a page
MAX_FRAMES = 60  # of an animation
FRAME_DOTS_PER_INCH = 100
MARGIN, LABEL, TITLE, GAP = 0.06, 0.24, 0.42, 0.12  # inches
# Orange for negative weights, purple for positive ones, white for zero.
DIVERGING = "PuOr"


def pictures(kernels: np.ndarray, normalize: str, columns: int) -> np.ndarray:
    """Kernels (..., C, 3, KH, KW) as colors (..., C, KH, KW, 3) from 0 to 1; 0.5 is a weight of 0.

    Args:
        normalize: what has full contrast, an entry of `NORMALIZATIONS`. "column" and "joint"
            compare over the leading axes too, such as epochs.
        columns: of the layer, equal parts of the C kernels.
    """
    largest = np.abs(kernels).max(axis=(-3, -2, -1), keepdims=True)
    if normalize == "joint":
        largest = np.full_like(largest, largest.max())
    elif normalize == "column":
        parts = np.split(largest, columns, axis=-4)
        largest = np.concatenate([np.full_like(part, part.max()) for part in parts], axis=-4)
    contrast = kernels / np.where(largest > 0, largest, 1)
    return np.moveaxis(0.5 + 0.5 * contrast, -3, -1)


def kernels_figure(
    kernels: np.ndarray, columns: int, title: str, normalize: str = "filter"
) -> Figure:
    """conv1's kernels (C, 3, KH, KW) as the paper's figure 3: a block for each column."""
    blocks = np.split(pictures(kernels, normalize, columns), columns)
    images = [_mosaic(block) for block in blocks]
    left = MARGIN + (LABEL if columns > 1 else 0)
    width = PAGE_WIDTH - left - MARGIN
    heights = [width * len(image) / image.shape[1] for image in images]
    height = TITLE + sum(heights) + GAP * len(heights)
    figure = new_figure(height)
    _title(figure, title, f"{NORMALIZATIONS[normalize]}; gray is a weight of 0")
    top = TITLE
    for number, (image, block_height) in enumerate(zip(images, heights), start=1):
        axes = add_axes(figure, left, top, width, block_height)
        _picture(axes, image)
        if columns > 1:
            axes.set_ylabel(f"column {number}", fontsize=NORMAL)
        top += block_height + GAP
    return figure


def epochs_figure(
    snapshots: dict[int, np.ndarray], columns: int, title: str, normalize: str = "filter"
) -> Figure:
    """The kernels (C, 3, KH, KW) of up to eight epochs from the first to the last, two a row."""
    epochs = evenly(list(snapshots), MAX_EPOCHS)
    colors = pictures(np.stack([snapshots[epoch] for epoch in epochs]), normalize, columns)
    images = [_stacked(kernel_colors, columns) for kernel_colors in colors]
    across = min(2, len(epochs))
    rows = math.ceil(len(epochs) / across)
    width = (PAGE_WIDTH - 2 * MARGIN - GAP * (across - 1)) / across
    panel = width * images[0].shape[0] / images[0].shape[1]
    caption = 0.2
    height = TITLE + rows * (panel + caption + GAP)
    figure = new_figure(height)
    _title(figure, title, f"{NORMALIZATIONS[normalize]}; gray is a weight of 0")
    for i, (epoch, image) in enumerate(zip(epochs, images)):
        top = TITLE + i // across * (panel + caption + GAP) + caption
        axes = add_axes(figure, MARGIN + i % across * (width + GAP), top, width, panel)
        _picture(axes, image)
        axes.set_title(epoch_name(epoch), fontsize=NORMAL, pad=3)
    return figure


def animation(
    snapshots: dict[int, np.ndarray], columns: int, title: str, normalize: str = "filter"
) -> bytes:
    """The kernels (C, 3, KH, KW) through up to 60 epochs as an animated GIF, without end."""
    epochs = evenly(list(snapshots), MAX_FRAMES)
    frames = []
    for epoch in epochs:
        heading = f"{title}, {epoch_name(epoch)}"
        figure = kernels_figure(snapshots[epoch], columns, heading, normalize)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=FRAME_DOTS_PER_INCH)
        frames.append(Image.open(png).convert("RGB"))
    milliseconds = [max(100, min(500, 6000 // len(frames)))] * len(frames)
    milliseconds[-1] = 2000
    gif = io.BytesIO()
    frames[0].save(
        gif, format="GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    return gif.getvalue()


def slices_figure(weights: np.ndarray, groups: int, channels: list[int], title: str) -> Figure:
    """Kernels of a later layer: the strongest slices of some channels, a channel a row.

    Args:
        weights: (C, inputs / groups, KH, KW) of the layer.
        groups: of the layer; the channels of one see the inputs of that one only.
        channels: which of the C to show.
    """
    inputs = weights.shape[1]
    shown = min(PER_ROW, inputs)
    colors = colormap(DIVERGING)
    rows, names = [], []
    for channel in channels:
        kernel = weights[channel]
        strongest = np.argsort(-np.square(kernel).sum(axis=(1, 2)), kind="stable")[:shown]
        largest = np.abs(kernel).max()
        rows.append(colors(0.5 + 0.5 * kernel[strongest] / (largest or 1))[..., :3])
        first = channel * groups // len(weights) * inputs  # of the inputs of its group
        names.append([str(first + i) for i in strongest])
    figure, all_axes = _rows(rows, [f"channel {channel}" for channel in channels], above=0.14)
    _title(
        figure,
        title,
        f"of each kernel the {shown} strongest of {inputs} slices, under the numbers of their "
        "input channels; purple: positive, orange: negative",
    )
    for axes, row in zip(all_axes, names):
        for i, name in enumerate(row):
            place = {"x": (i + 0.5) / shown, "y": 1.04, "transform": axes.transAxes}
            axes.text(s=name, fontsize=5.5, ha="center", va="bottom", color="0.35", **place)
    return figure


def patches_figure(patches: np.ndarray, labels: list[str], title: str) -> Figure:
    """Image patches, a row a channel, the strongest first.

    Args:
        patches: uint8 (channels, count, H, W, 3).
        labels: of the rows.
    """
    figure, _ = _rows(list(patches / 255), labels, above=0.0)
    _title(
        figure,
        title,
        "the strongest first, one of an image; gray: not seen by the channel; white: no other "
        "image excites it",
    )
    return figure


def evenly(items: list, count: int) -> list:
    """At most `count` of some items, evenly spaced from the first to the last."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[i] for i in chosen]


def epoch_name(epoch: int) -> str:
    return f"epoch {epoch}" if epoch else "before training"


def _rows(rows: list[np.ndarray], labels: list[str], above: float) -> tuple[Figure, list[Axes]]:
    """A page with rows of pictures (N, H, W, 3), each with a label and `above` inches of space."""
    label = 0.95
    images = [_mosaic(row, len(row)) for row in rows]
    largest = 0.75 / images[0].shape[0] * images[0].shape[1]  # small pictures stay small
    width = min(PAGE_WIDTH - label - MARGIN, largest)
    cell = width * images[0].shape[0] / images[0].shape[1]
    step = above + cell + 0.06
    height = TITLE + len(rows) * step
    figure = new_figure(height)
    all_axes = []
    for i, (image, text) in enumerate(zip(images, labels)):
        axes = add_axes(figure, label, TITLE + i * step + above, width, cell)
        _picture(axes, image)
        axes.set_ylabel(text, fontsize=SMALL, rotation=0, ha="right", va="center")
        all_axes.append(axes)
    return figure, all_axes


def _mosaic(tiles: np.ndarray, per_row: int = PER_ROW) -> np.ndarray:
    """Pictures (N, H, W, 3) in one, no wider than they need, on white."""
    return mosaic(tiles, min(per_row, len(tiles)), background=1.0)


def _picture(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, aspect="auto", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _stacked(colors: np.ndarray, columns: int) -> np.ndarray:
    """The blocks of the columns in one picture, with white between them."""
    blocks = [_mosaic(block) for block in np.split(colors, columns)]
    between = np.ones((6, blocks[0].shape[1], 3))
    parts = [part for block in blocks for part in (between, block)][1:]
    return np.concatenate(parts)


def _title(figure: Figure, title: str, explanation: str) -> None:
    add_text(figure, MARGIN, MARGIN, title, fontsize=NORMAL, weight="bold")
    add_text(figure, MARGIN, MARGIN + 0.16, explanation, fontsize=SMALL)
