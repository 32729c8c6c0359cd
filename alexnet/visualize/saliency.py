"""Which parts of an image a decision rests on: gradient to the input, and occlusion."""

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from alexnet import cli
from alexnet.data.labels import display_name
from alexnet.errors import UsageError
from alexnet.inference import layers, load
from alexnet.inference.evaluation import mean_log_probabilities
from alexnet.visualize import figures, pictures
from alexnet.visualize.pictures import Picture
from alexnet.visualize.style import add_out_option, destination
from minigrad import Tensor, backend, nn, no_grad
from minigrad.backend import Backend

SQUARE_SHARE = 6  # of the image's side, by default
STEPS_PER_SQUARE = 3
# Red where the probability falls, blue where it rises: colour-blind readers can tell them apart.
CHANGES = colormaps["RdBu"]


class Saliency(NamedTuple):
    """What a decision for one image rests on.

    Attributes:
        predicted: the most probable class.
        probability: of that class.
        gradient: float32 (S, S), see `gradient_map`.
        occlusion: float64 (G, G), see `occlusion_map`.
    """

    predicted: int
    probability: float
    gradient: np.ndarray
    occlusion: np.ndarray


# -- what is computed ----------------------------------------------------------------------------


def input_gradient(model: nn.Module, inputs: Any, gradient_of_scores: Any) -> Any:
    """The gradient of a function of the class scores to the network's input (N, 3, S, S).

    In evaluation mode; the parameters are left without gradients.

    Args:
        inputs: an array (N, 3, S, S) on the network's device.
        gradient_of_scores: (N, C), of the function to the scores: 1 for a class and 0 for all
            others gives the gradient of the score of that class.
    """
    model.eval()
    images = Tensor(inputs, requires_grad=True)
    with _frozen(model):
        model(images).backward(gradient_of_scores)
    return images.grad.data


@contextlib.contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Within this block no gradients are computed for the parameters."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


def gradient_map(model: nn.Module, inputs: Any, label: int, device: Backend) -> np.ndarray:
    """How much the score of a class depends on each pixel: |gradient|, the largest of the colours.

    Section 3 of Simonyan, Vedaldi and Zisserman (2014), "Deep inside convolutional networks".

    Args:
        inputs: one prepared image (1, 3, S, S).

    Returns:
        float (S, S).
    """
    with no_grad():
        scores = model(Tensor(inputs)).numpy()
    of_score = np.zeros_like(scores)
    of_score[:, label] = 1
    gradient = input_gradient(model, inputs, device.asarray(of_score))
    return np.abs(device.asnumpy(gradient)[0]).max(axis=0)


def occlusion_map(
    model: nn.Module, inputs: Any, label: int, square: int, device: Backend, batch_size: int = 128
) -> np.ndarray:
    """The probability of a class while a square of the image is covered, for all its places.

    The square has the training set's mean colour, which the network gets as 0. Its centres are a
    third of its side apart and cover the image up to the border, where it is cut off. Section 4.2
    of Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks".

    Args:
        inputs: one prepared image (1, 3, S, S).
        square: side of the square, pixels.

    Returns:
        float64 (G, G), row and column of the centre; the G places divide the image evenly.
    """
    model.eval()
    image = np.ascontiguousarray(device.asnumpy(inputs)[0])
    centres = occlusion_centres(image.shape[1], square)
    places = [(y, x) for y in centres for x in centres]
    probabilities = []
    for first in range(0, len(places), batch_size):
        part = places[first : first + batch_size]
        covered = np.repeat(image[np.newaxis], len(part), axis=0)
        for copy, (y, x) in zip(covered, part):
            top, left = round(y - square / 2), round(x - square / 2)
            copy[:, max(top, 0) : top + square, max(left, 0) : left + square] = 0
        with no_grad():
            logits = model(Tensor(device.images(device.asarray(covered)))).numpy()
        log_probabilities = mean_log_probabilities(logits[:, np.newaxis])
        probabilities.append(np.exp(log_probabilities[:, label]))
    return np.concatenate(probabilities).reshape(len(centres), len(centres))


def occlusion_centres(image_size: int, square: int) -> np.ndarray:
    """Where the middle of the square goes, along one side: middles of equal parts of the image."""
    count = max(1, round(image_size * STEPS_PER_SQUARE / square))
    return (np.arange(count) + 0.5) * image_size / count


def explain(
    model: nn.Module, inputs: Any, square: int, device: Backend, batch_size: int
) -> Saliency:
    """What the most probable class of one prepared image (1, 3, S, S) rests on."""
    model.eval()
    with no_grad():
        logits = model(Tensor(inputs)).numpy()
    layers.require_finite(logits, "its class scores")
    probabilities = np.exp(mean_log_probabilities(logits[:, np.newaxis])[0])
    predicted = int(probabilities.argmax())
    return Saliency(
        predicted,
        float(probabilities[predicted]),
        gradient_map(model, inputs, predicted, device),
        occlusion_map(model, inputs, predicted, square, device, batch_size),
    )


# -- the command -----------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    load.add_checkpoint_option(parser)
    load.add_data_options(parser)
    pictures.add_image_options(parser, default=4)
    parser.add_argument(
        "--square",
        type=cli.count,
        metavar="PIXELS",
        help=f"side of the square that is moved over the image; default: 1/{SQUARE_SHARE} of it",
    )
    load.add_computing_options(parser)
    add_out_option(parser, "saliency.png beside the checkpoint")


def run(arguments: argparse.Namespace) -> int:
    checkpoint, model = load.network(arguments)
    path = destination(arguments, "saliency.png")
    size = checkpoint.preprocessing.image_size
    square = arguments.square or max(1, size // SQUARE_SHARE)
    if square > size:
        raise UsageError(f"--square {square}: the network's images have {size} pixels")
    images = pictures.chosen(arguments, checkpoint)
    device = backend.get(arguments.backend)
    rows = []
    for index, inputs in pictures.prepared(arguments, checkpoint, images, device):
        result = explain(model, inputs, square, device, arguments.batch_size)
        rows += zip(pictures.shown(images, [index], checkpoint.preprocessing), [result])
        name = display_name(checkpoint.classes[result.predicted])
        print(cli.printable(f"{cli.one_line(images.name(index))}: {name} {result.probability:.1%}"))
    figures.save(saliency_figure(rows, checkpoint.classes, square), path)
    print(cli.printable(f"picture: {path}"))
    return 0


# -- the picture -----------------------------------------------------------------------------------


def saliency_figure(
    rows: list[tuple[Picture, Saliency]], classes: list[str], square: int
) -> Figure:
    """A row for each image, of at most `pictures.MAX_ROWS`: the image, the gradient, and the change by occlusion."""
    cell, gap, left, above, heading = 2.1, 0.12, 0.1, 0.36, 0.42  # inches
    row = cell + heading
    rows = rows[: pictures.MAX_ROWS]
    height = above + len(rows) * row + 0.12
    figure = Figure(figsize=(pictures.WIDTH, height))

    def axes_at(column: int, i: int, width: float = cell, shift: float = 0.0):
        x, top = left + column * (cell + gap) + shift, above + i * row + heading
        place = (
            x / pictures.WIDTH,
            1 - (top + cell) / height,
            width / pictures.WIDTH,
            cell / height,
        )
        axes = figure.add_axes(place)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="0.6", linewidth=0.5)
        return axes

    headings = (
        "image",
        "gradient of the class score,\nlargest of the colours",
        f"change of the probability while a\ngrey square of {square} pixels is there",
    )
    for column, text in enumerate(headings):
        x = (left + column * (cell + gap)) / pictures.WIDTH
        figure.text(x, 1 - 0.08 / height, text, va="top", fontsize=8, weight="bold")
    for i, (picture, result) in enumerate(rows):
        image, gradient, occlusion = (axes_at(column, i) for column in range(3))
        names = [pictures.class_name(classes, n) for n in (result.predicted, picture.label)]
        predicted, true = (figures.fitted(name, cell - 0.75, 8) for name in names)
        title = f"taken for: {predicted}, {result.probability:.0%}"
        if true:
            title = f"is: {true}\n{title}"
        image.set_title(title, fontsize=8, loc="left", pad=3, parse_math=False)
        image.imshow(picture.pixels)
        # Single pixels of large gradient would leave all others black.
        light = float(np.quantile(result.gradient, 0.99)) or 1.0
        gradient.imshow(result.gradient, cmap="inferno", vmin=0, vmax=light)
        gradient.set_title("black: 0; lightest: the largest 1%", fontsize=7, loc="left", pad=3)

        change = result.occlusion - result.probability
        most = max(float(np.abs(change).max()), 0.01)
        occlusion.imshow(_over_picture(change / most, picture.pixels))
        occlusion.set_title(
            f"then between {result.occlusion.min():.1%} and {result.occlusion.max():.1%}",
            fontsize=7,
            loc="left",
            pad=3,
        )
        bar = figure.colorbar(
            ScalarMappable(Normalize(-most, most), CHANGES),
            cax=axes_at(2, i, width=0.12, shift=cell + 0.06),
            ticks=[-most, 0, most],
        )
        labels = [f"−{most:.0%}", "0", f"+{most:.0%}"]
        bar.ax.set_yticklabels(labels, fontsize=7)
        bar.outline.set(linewidth=0.5)
    return figure


def _over_picture(change: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A map (G, G) of -1 to 1 in colours over a grey picture, which stays as it is where it is 0."""
    size = len(pixels)
    smooth = Image.fromarray(change.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    colors = CHANGES((np.asarray(smooth) + 1) / 2)[:, :, :3]
    grey = pixels.mean(axis=2, keepdims=True) / 255
    return colors * (0.3 + 0.7 * grey)
