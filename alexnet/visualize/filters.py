"""Kernels: conv1's as in the paper or over the epochs; later layers' as slices or image patches."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from alexnet import cli, files
from alexnet.errors import CheckpointError, UsageError
from alexnet.inference import layers, options
from alexnet.inference.trained import Trained
from alexnet.run import filter_snapshots
from alexnet.style import save
from alexnet.visualize import receptive_fields
from alexnet.visualize.kernel_figures import (
    NORMALIZATIONS,
    animation,
    epochs_figure,
    evenly,
    kernels_figure,
    patches_figure,
    slices_figure,
)
from alexnet.visualize.output import add_out_option, destination, run_folder, run_name
from alexnet.visualize.patches import patch, strongest
from minigrad import nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS, PATCHES = 12, 9


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    parser.add_argument(
        "--layer", default="conv1", metavar="NAME", help="conv1 to conv5; default: conv1"
    )
    parser.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        default="filter",
        help="what has full contrast: each filter of conv1 (default), each column, or all of them",
    )
    parser.add_argument(
        "--epochs",
        action="store_true",
        help="conv1 through the epochs, of a run with --snapshot-filters; animated if --out is a "
        ".gif",
    )
    parser.add_argument(
        "--patches",
        action="store_true",
        help="instead of kernels the image patches with the highest activations; looks at images",
    )
    parser.add_argument(
        "--channels",
        type=_channels,
        metavar="N,N,...",
        help=f"of --patches and of later layers; default: {CHANNELS} evenly spaced ones",
    )
    add_out_option(parser, "filters-LAYER[-KIND].png in the run folder", (".png", ".svg", ".gif"))
    images = parser.add_argument_group("images for --patches")
    options.add_data_options(images)
    options.add_computing_options(images)


def _channels(text: str) -> list[int]:
    try:
        channels = [int(part) for part in text.split(",")]
    except ValueError:
        channels = [-1]
    if min(channels) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of channels such as 0,5,17")
    return channels


def run(arguments: argparse.Namespace) -> int:
    """Draw what the options say and print the path of the picture."""
    kind = "-epochs" if arguments.epochs else "-patches" if arguments.patches else ""
    animated = arguments.out is not None and arguments.out.suffix.lower() == ".gif"
    if animated and not arguments.epochs:
        raise UsageError(f"{arguments.out}: only --epochs are drawn as an animation")
    if arguments.epochs and (arguments.patches or arguments.layer != "conv1"):
        raise UsageError("--epochs is for the kernels of conv1")

    trained = options.network(arguments)
    checkpoint, model = trained.checkpoint, trained.model
    known = layers.convolutions(model)
    if arguments.layer not in known:
        raise UsageError(f"no layer {arguments.layer!r}: choose from {', '.join(known)}")
    layer = known[arguments.layer]
    title = f"{arguments.layer} of {run_name(arguments.checkpoint, 40)}"
    path = destination(arguments, f"filters-{arguments.layer}{kind}.png")
    columns = layers.columns(model, arguments.layer)
    channels = _chosen(arguments, layer)
    if arguments.patches:
        figure = _patches_figure(arguments, trained, channels, title)
    elif arguments.epochs:
        folder = run_folder(arguments.checkpoint)
        snapshots = filter_snapshots.require(folder)
        if any(kernels.shape != layer.weight.shape for kernels in snapshots.values()):
            raise CheckpointError(f"the kernels in {folder} are not those of this network's conv1")
        if animated:
            files.write(path, animation(snapshots, columns, title, arguments.normalize))
            print(cli.printable(str(path)))
            return 0
        figure = epochs_figure(snapshots, columns, title, arguments.normalize)
    elif arguments.layer == "conv1":
        epoch = checkpoint.training.get("epoch")
        when = f" after epoch {epoch}" if epoch else ""
        figure = kernels_figure(layer.weight.numpy(), columns, title + when, arguments.normalize)
    else:
        figure = slices_figure(layer.weight.numpy(), layer.groups, channels, title)
    save(figure, path)
    print(cli.printable(str(path)))
    return 0


def _chosen(arguments: argparse.Namespace, layer: nn.Conv2d) -> list[int]:
    channels = arguments.channels or evenly(list(range(layer.out_channels)), CHANNELS)
    if max(channels) >= layer.out_channels:
        raise UsageError(
            f"no channel {max(channels)}: {arguments.layer} has 0 to {layer.out_channels - 1}"
        )
    return channels


def _patches_figure(
    arguments: argparse.Namespace,
    trained: Trained,
    channels: list[int],
    title: str,
) -> Figure:
    dataset = options.dataset(arguments, trained)
    loader = trained.loader(dataset)
    part, batches = layers.up_to(trained.model, arguments.layer), loader.batches(0)
    with contextlib.closing(batches):
        shown = tqdm(
            batches, "images", len(loader), unit=" batches", disable=not sys.stderr.isatty()
        )
        found = strongest(part, shown, channels, PATCHES, trained.device)
    windows, preprocessing = receptive_fields.windows(part), trained.checkpoint.preprocessing
    field = receptive_fields.receptive_field(windows, 0, 0)
    size = min(field.bottom - field.top, preprocessing.image_size)
    rows = np.full((len(channels), PATCHES, size, size, 3), 255, np.uint8)
    for row, activations, images, positions in zip(rows, *found):
        for i, activation in enumerate(activations):
            if activation > 0:  # otherwise the channel was never active, or there are fewer images
                row[i] = patch(dataset, images[i], positions[i], windows, preprocessing)
    labels = [
        f"channel {channel}\n" + (f"up to {highest:.3g}" if highest > 0 else "never active")
        for channel, highest in zip(channels, found.activation[:, 0])
    ]
    title = f"{title}: image patches ({arguments.split} set) with the highest activations"
    return patches_figure(rows, labels, title)
