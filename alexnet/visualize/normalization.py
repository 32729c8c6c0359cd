"""What the response normalizations of a network do to the activations of images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Dataset
from alexnet.errors import UsageError
from alexnet.inference import layers, normalizations, options
from alexnet.inference.normalizations import Pairs
from alexnet.inference.trained import Trained
from alexnet.model.layers import RESPONSE_NORMS
from alexnet.style import save
from alexnet.visualize import pictures
from alexnet.visualize.normalization_figures import described, normalization_figure
from alexnet.visualize.output import add_out_option, destination, run_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = 16
# Of an image, as many activations of each layer are taken at random: enough for smooth quantiles.
PAIRS_PER_IMAGE = 20_000


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    pictures.add_image_options(parser, default=IMAGES)
    options.add_computing_options(parser)
    add_out_option(parser, "normalization.png beside the checkpoint")


def run(arguments: argparse.Namespace) -> int:
    """Draw the picture; print a line for each normalization."""
    trained = options.network(arguments)
    path = destination(arguments, "normalization.png")
    require_normalization(trained)
    images = pictures.select_images(arguments, trained)
    measured = measure(trained, images, arguments.seed)
    save(overview(trained, measured), path)
    for pairs in measured.normalizations:
        print(f"{pairs.layer}: {described(pairs)}")
    print(cli.printable(str(path)))
    return 0


class Measured(NamedTuple):
    """What the normalizations do to activations of a number of images."""

    normalizations: list[Pairs]
    images: int


def require_normalization(trained: Trained) -> None:
    """Raise UsageError unless the network has a response normalization."""
    found = layers.named_layers(trained.model).values()
    if not any(isinstance(layer, RESPONSE_NORMS) for layer in found):
        raise UsageError(
            f"{cli.one_line(str(trained.source))} has no response normalization; choose a network "
            "of --arch alexnet"
        )


def measure(trained: Trained, images: Dataset, seed: int = 0) -> Measured:
    """What each normalization does to `PAIRS_PER_IMAGE` activations of each image.

    Args:
        seed: decides which activations.

    Raises:
        DivergedNetwork: an activation is not finite.
    """
    found: list[list[Pairs]] = []  # of each image, its normalizations
    for image in pictures.prepare_images(trained, images):
        rng = np.random.default_rng([seed, image.index])
        measured = list(normalizations.pairs(trained.model, image.inputs))
        for pairs in measured:
            layers.require_finite(pairs.output, pairs.layer)
        found.append([_sample(pairs, rng) for pairs in measured])
    return Measured([_joined(parts) for parts in zip(*found)], len(found))


def _sample(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    if len(pairs.input) <= PAIRS_PER_IMAGE:
        return pairs
    chosen = rng.choice(len(pairs.input), PAIRS_PER_IMAGE, replace=False)
    return pairs._replace(input=pairs.input[chosen], output=pairs.output[chosen])


def _joined(parts: Sequence[Pairs]) -> Pairs:
    """Those of all images, of one normalization."""
    return parts[0]._replace(
        input=np.concatenate([part.input for part in parts]),
        output=np.concatenate([part.output for part in parts]),
    )


def overview(trained: Trained, measured: Measured) -> Figure:
    """Output over input of each normalization, and what is left of the constant."""
    images = cli.counted(measured.images, "image")
    return normalization_figure(
        measured.normalizations, f"{run_name(trained.source, 60)}, {images}"
    )
