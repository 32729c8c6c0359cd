"""What the layers of a network answer to an image: their feature maps."""

import argparse
import math

import numpy as np
from matplotlib.figure import Figure

from alexnet import cli
from alexnet.errors import UsageError
from alexnet.inference import layers, load
from alexnet.visualize import figures, pictures
from alexnet.visualize.pictures import Picture
from alexnet.visualize.style import add_out_option, destination
from minigrad import Tensor, backend

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
MAPS = 48
COLUMNS = 16
TILE = 32  # pixels of a map in the picture, at least
COLORS = "inferno"  # from black to light yellow; even in brightness, also for the colour-blind
BACKGROUND = "0.75"


def add_options(parser: argparse.ArgumentParser) -> None:
    load.add_checkpoint_option(parser)
    load.add_data_options(parser)
    pictures.add_image_options(parser, default=1)
    parser.add_argument(
        "--layers",
        nargs="+",
        default=LAYERS,
        metavar="LAYER",
        help=f"conv1, norm1, pool1 and so on; default: {' '.join(LAYERS)}",
    )
    parser.add_argument(
        "--maps",
        type=cli.count,
        default=MAPS,
        metavar="N",
        help=f"feature maps of each layer, those with the largest mean; default: {MAPS}",
    )
    load.add_computing_options(parser)
    add_out_option(parser, "activations.png beside the checkpoint")


def run(arguments: argparse.Namespace) -> int:
    checkpoint, model = load.network(arguments)
    path = destination(arguments, "activations.png")
    with_maps = [name for name in layers.stages(model) if not name.startswith("fc")]
    for name in arguments.layers:
        if name not in with_maps:
            raise UsageError(
                f"no layer {name!r} with feature maps; choose from {', '.join(with_maps)}"
            )
    images = pictures.chosen(arguments, checkpoint)
    device = backend.get(arguments.backend)
    for index, inputs in pictures.prepared(arguments, checkpoint, images, device):
        maps = layers.activations(model, Tensor(inputs), arguments.layers)
        (picture,) = pictures.shown(images, [index], checkpoint.preprocessing)
        of_image = {name: of_layer[0] for name, of_layer in maps.items()}
        figure = activations_figure(picture, of_image, checkpoint.classes, arguments.maps)
        file = pictures.numbered(path, index, len(images))
        figures.save(figure, file)
        print(cli.printable(f"{cli.one_line(images.name(index))}: {file}"))
    return 0


def activations_figure(
    picture: Picture, maps: dict[str, np.ndarray], classes: list[str], count: int = MAPS
) -> Figure:
    """An image above the strongest feature maps of some layers.

    All maps of a layer have one scale: black is zero (or below, where there is no ReLU), the
    lightest colour the 99.9th percentile of the layer, so that single peaks do not darken the rest.

    Args:
        maps: (C, H, W) of each layer.
        count: of the C maps those with the largest mean are shown, in their order in the layer.
    """
    mosaics = {}
    for name, of_layer in maps.items():
        strongest = np.sort(np.argsort(-of_layer.mean(axis=(1, 2)), kind="stable")[:count])
        # Small maps would stand far apart: the space between maps is whole pixels.
        enlarged = math.ceil(TILE / of_layer.shape[1])
        tiles = of_layer[strongest].repeat(enlarged, axis=1).repeat(enlarged, axis=2)
        mosaics[name] = pictures.mosaic(tiles, COLUMNS, tiles.shape[1] // 16)

    top, left, right, heading = 1.6, 0.1, 0.75, 0.3  # inches
    width = pictures.WIDTH - left - right
    heights = [width * m.shape[0] / m.shape[1] for m in mosaics.values()]
    height = top + sum(heights) + heading * len(heights) + 0.1
    figure = Figure(figsize=(pictures.WIDTH, height))

    def axes_at(x: float, from_top: float, w: float, h: float):
        place = (x / pictures.WIDTH, 1 - (from_top + h) / height, w / pictures.WIDTH, h / height)
        return figure.add_axes(place)

    side = top - 0.2
    image = axes_at(left, 0.1, side, side)
    image.imshow(picture.pixels)
    image.set_axis_off()
    name = figures.fitted(pictures.class_name(classes, picture.label), 3.0, 11, "bold")
    text = (
        "Each layer's maps share one scale: black is 0, the lightest colour\n"
        "the value beside the bar or more (99.9% of the layer are below it)."
    )
    style = {"va": "top", "parse_math": False}
    x = (left + side + 0.2) / pictures.WIDTH
    figure.text(
        x,
        1 - 0.2 / height,
        f"Feature maps{f' of “{name}”' if name else ''}",
        fontsize=11,
        weight="bold",
        **style,
    )
    figure.text(x, 1 - 0.5 / height, text, fontsize=8, linespacing=1.4, **style)

    place = top
    for (name, tiles), tall in zip(mosaics.items(), heights):
        of_layer = maps[name]
        channels, rows, columns = of_layer.shape
        shown = min(count, channels)
        which = f"all {channels}" if shown == channels else f"the strongest {shown} of {channels}"
        axes = axes_at(left, place + heading, width, tall)
        white = float(np.quantile(of_layer, 0.999)) or 1.0
        drawn = axes.imshow(tiles, cmap=COLORS, vmin=0, vmax=white, interpolation="nearest")
        axes.set_facecolor(BACKGROUND)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(f"{name}: {which} maps, {rows}×{columns}", fontsize=8, loc="left", pad=3)
        bar_axes = axes_at(left + width + 0.08, place + heading, 0.1, tall)
        bar = figure.colorbar(drawn, cax=bar_axes, ticks=[0, white])
        bar.ax.set_yticklabels(["0", f"{white:.2g}"], fontsize=7)
        bar.outline.set_linewidth(0.5)
        place += heading + tall
    return figure
