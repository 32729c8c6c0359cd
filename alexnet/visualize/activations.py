"""Feature maps: what the layers of a network compute for an image."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alexnet import cli
from alexnet.errors import UsageError
from alexnet.inference import layers, options
from alexnet.inference.trained import Trained
from alexnet.style import (
    INTENSITY,
    NORMAL,
    PAGE_WIDTH,
    SMALL,
    add_axes,
    add_text,
    fitted,
    new_figure,
    save,
)
from alexnet.visualize import pictures
from alexnet.visualize.mosaic import mosaic
from alexnet.visualize.output import add_out_option, destination
from alexnet.visualize.pictures import Picture, Prepared, class_name
from minigrad import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAPS = 48
COLUMNS = 16
TILE = 32  # pixels of a map in the picture, at least
BACKGROUND = "0.75"
# Inches: the image above the maps, the title of a layer, and its scale at the right.
HEADER, TITLE, SCALE, MARGIN = 1.6, 0.3, 0.75, 0.1


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    pictures.add_image_options(parser, default=1)
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="LAYER",
        help="conv1, norm1, pool1 and so on; default: all convolutions",
    )
    parser.add_argument(
        "--maps",
        type=cli.count,
        default=MAPS,
        metavar="N",
        help=f"feature maps of each layer, those with the largest mean; default: {MAPS}",
    )
    options.add_computing_options(parser)
    add_out_option(parser, "activations.png beside the checkpoint")


def run(arguments: argparse.Namespace) -> int:
    trained = options.network(arguments)
    path = destination(arguments, "activations.png")
    names = chosen_layers(trained, arguments.layers)
    images = pictures.select_images(arguments, trained)
    for image in pictures.prepare_images(trained, images):
        file = pictures.numbered(path, image.index, len(images))
        save(activations(trained, image, names, arguments.maps), file)
        print(cli.printable(f"{image.name}: {file}"))
    return 0


def chosen_layers(trained: Trained, names: Sequence[str] | None = None) -> list[str]:
    """Layers with feature maps, by default all convolutions.

    Raises:
        UsageError: the network has no such layer.
    """
    if names is None:
        return list(layers.convolutions(trained.model))
    known = [name for name in layers.stages(trained.model) if not name.startswith("fc")]
    if not names:
        raise UsageError(f"no layer is given; choose from {', '.join(known)}")
    for name in names:
        if name not in known:
            raise UsageError(f"no layer {name!r} with feature maps; choose from {', '.join(known)}")
    return list(names)


def activations(
    trained: Trained, image: Prepared, names: Sequence[str], count: int = MAPS
) -> Figure:
    """What some layers compute for an image, see `activations_figure`."""
    maps = layers.activations(trained.model, Tensor(image.inputs), list(names))
    image_maps = {name: layer_maps[0] for name, layer_maps in maps.items()}
    return activations_figure(image.picture, image_maps, trained.classes, count)


def activations_figure(
    picture: Picture, maps: dict[str, np.ndarray], classes: list[str], count: int = MAPS
) -> Figure:
    """An image above the strongest feature maps of some layers.

    All maps of a layer have one scale: black is zero (or below, where there is no ReLU), the
    lightest color the 99.9th percentile of the layer, so that single peaks do not darken the rest.

    Args:
        maps: (C, H, W) of each layer.
        count: of the C maps those with the largest mean are shown, in their order in the layer.
    """
    mosaics = {name: _mosaic(layer_maps, count) for name, layer_maps in maps.items()}
    width = PAGE_WIDTH - MARGIN - SCALE
    heights = [width * m.shape[0] / m.shape[1] for m in mosaics.values()]
    height = HEADER + sum(heights) + TITLE * len(heights) + MARGIN
    figure = new_figure(height)
    _draw_header(figure, picture, class_name(classes, picture.label))
    top = HEADER
    for (name, image), layer_height in zip(mosaics.items(), heights):
        top += TITLE
        _draw_layer(figure, top, layer_height, name, maps[name], image, count)
        top += layer_height
    return figure


def _mosaic(maps: np.ndarray, count: int) -> np.ndarray:
    """The `count` strongest of a layer's maps (C, H, W) in one picture."""
    strongest = np.sort(np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:count])
    # Small maps would stand far apart: the space between maps is whole pixels.
    enlarged = math.ceil(TILE / maps.shape[1])
    tiles = maps[strongest].repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    return mosaic(tiles, COLUMNS, background=np.nan)


def _draw_header(figure: Figure, picture: Picture, name: str) -> None:
    """The image; beside it, its class and what the colors mean."""
    side = HEADER - 2 * MARGIN
    axes = add_axes(figure, MARGIN, MARGIN, side, side)
    axes.imshow(picture.pixels)
    axes.set_axis_off()
    left = MARGIN + side + 0.2
    name = fitted(name, 3.0, 11, "bold")
    title = f"Feature maps{f' of “{name}”' if name else ''}"
    add_text(figure, left, 0.2, title, fontsize=11, weight="bold")
    explanation = (
        "Each layer's maps share one scale: black is 0 or less, the lightest\n"
        "color the value beside the bar or more (99.9% of the layer are below)."
    )
    add_text(figure, left, 0.5, explanation, fontsize=NORMAL, linespacing=1.4)


def _draw_layer(
    figure: Figure,
    top: float,
    height: float,
    name: str,
    maps: np.ndarray,
    image: np.ndarray,
    count: int,
) -> None:
    """The maps (C, H, W) of a layer as one picture, with its title and its scale."""
    channels, rows, columns = maps.shape
    shown = min(count, channels)
    which = f"all {channels}" if shown == channels else f"the strongest {shown} of {channels}"
    width = PAGE_WIDTH - MARGIN - SCALE
    axes = add_axes(figure, MARGIN, top, width, height)
    white = float(np.quantile(maps, 0.999)) or 1.0
    drawn = axes.imshow(image, cmap=INTENSITY, vmin=0, vmax=white, interpolation="nearest")
    axes.set_facecolor(BACKGROUND)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{name}: {which} maps, {rows}×{columns}", fontsize=NORMAL, loc="left", pad=3)
    bar_axes = add_axes(figure, MARGIN + width + 0.08, top, 0.1, height)
    bar = figure.colorbar(drawn, cax=bar_axes, ticks=[0, white])
    bar.ax.set_yticklabels(["0", f"{white:.2g}"], fontsize=SMALL)
    bar.outline.set_linewidth(0.5)
