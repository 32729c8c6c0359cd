"""Which parts of an image a decision rests on: gradient, Grad-CAM, and occlusion."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from alexnet import cli, text
from alexnet.data import Dataset
from alexnet.data.labels import display_name
from alexnet.errors import UsageError
from alexnet.inference import layers, options
from alexnet.inference.evaluation import mean_log_probabilities
from alexnet.inference.trained import Trained
from alexnet.style import (
    INTENSITY,
    NORMAL,
    SMALL,
    add_axes,
    add_text,
    colormap,
    fitted,
    frame,
    new_figure,
    save,
)
from alexnet.visualize import pictures
from alexnet.visualize.output import add_out_option, destination
from alexnet.visualize.pictures import Picture, Prepared
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scale = float | tuple[float, float, float]
SQUARE_SHARE = 6  # of the image's side, by default
STEPS_PER_SQUARE = 3
CELL, GAP, HEADER, TITLE = 1.58, 0.12, 0.36, 0.42  # inches; a title above each picture
# Red where the probability falls, blue where it rises: color-blind readers can tell them apart.
CHANGES = "RdBu"


class Saliency(NamedTuple):
    """What a decision for one image rests on.

    Attributes:
        predicted: the most probable class.
        probability: of that class.
        gradient: float32 (S, S), see `gradient_map`.
        cam: float32 (H, W), see `grad_cam`.
        occlusion: float64 (G, G), see `occlusion_map`.
    """

    predicted: int
    probability: float
    gradient: np.ndarray
    cam: np.ndarray
    occlusion: np.ndarray


# -- what is computed ----------------------------------------------------------------------------


def input_gradient(model: nn.Module, inputs: Any, score_gradient: Any) -> Any:
    """The gradient of a function of the class scores to the network's input (N, 3, S, S).

    In evaluation mode; the parameters are left without gradients.

    Args:
        inputs: an array (N, 3, S, S) on the network's device.
        score_gradient: (N, C), of the function to the scores: 1 for a class and 0 for all
            others gives the gradient of the score of that class.
    """
    model.eval()
    images = Tensor(inputs, requires_grad=True)
    with layers.frozen(model):
        model(images).backward(score_gradient)
    return images.grad.data


def gradient_map(
    model: nn.Module, inputs: Any, label: int, scale: Scale, device: Backend
) -> np.ndarray:
    """How much the score of a class depends on each pixel: |gradient|, the largest of the colors.

    The gradient to the gray levels, so that colors of different scales can be compared.

    Section 3 of Simonyan, Vedaldi and Zisserman (2014), "Deep inside convolutional networks".

    Args:
        inputs: one prepared image (1, 3, S, S).
        scale: by which it was prepared, see `Preprocessing`.

    Returns:
        float (S, S).
    """
    with no_grad():
        scores = model(Tensor(inputs)).numpy()
    score_gradient = np.zeros_like(scores)
    score_gradient[:, label] = 1
    gradient = input_gradient(model, inputs, device.asarray(score_gradient))
    scales = np.broadcast_to(np.float32(scale), 3).reshape(3, 1, 1)
    return (np.abs(device.asnumpy(gradient)[0]) * scales).max(axis=0)


def grad_cam(model: nn.Module, inputs: Any, label: int, device: Backend) -> np.ndarray:
    """How much each place of the last convolution's maps speaks for a class.

    ReLU(sum over the channels k of w[k] * map[k]), where w[k] is the mean gradient of the score of
    the class to map k, after the ReLU (Selvaraju et al. 2017, "Grad-CAM", section 3).

    Args:
        inputs: one prepared image (1, 3, S, S).

    Returns:
        float (H, W), of conv5: 13x13 for images of 227 pixels.
    """
    model.eval()
    stages = list(layers.stages(model).items())
    last = max(i for i, (name, _) in enumerate(stages) if name in layers.convolutions(model))
    with no_grad():
        maps = Tensor(inputs)
        for _, stage in stages[: last + 1]:
            maps = stage(maps)
    maps = Tensor(maps.data, requires_grad=True)
    with layers.frozen(model):
        scores = maps
        for _, stage in stages[last + 1 :]:
            scores = stage(scores)
        score_gradient = np.zeros(scores.shape, scores.dtype)
        score_gradient[:, label] = 1
        scores.backward(Tensor(device.asarray(score_gradient)))
    values, gradient = maps.numpy()[0], device.asnumpy(maps.grad.data)[0]
    weights = gradient.mean(axis=(1, 2))
    return np.maximum(np.einsum("k,kyx->yx", weights, values), 0)


def occlusion_map(
    model: nn.Module, inputs: Any, label: int, square: int, device: Backend, batch_size: int = 128
) -> np.ndarray:
    """The probability of a class while a square of the image is covered, for all its places.

    The square has the training set's mean color, which the network gets as 0. Its centers are a
    third of its side apart and cover the image up to the border, where it is cut off. Section 4.2
    of Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks".

    Args:
        inputs: one prepared image (1, 3, S, S).
        square: side of the square, pixels.

    Returns:
        float64 (G, G), row and column of the center; the G places divide the image evenly.
    """
    model.eval()
    image = np.ascontiguousarray(device.asnumpy(inputs)[0])
    centers = occlusion_centers(image.shape[1], square)
    places = [(y, x) for y in centers for x in centers]
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
    return np.concatenate(probabilities).reshape(len(centers), len(centers))


def occlusion_centers(image_size: int, square: int) -> np.ndarray:
    """Where the middle of the square goes, along one side: middles of equal parts of the image."""
    count = max(1, round(image_size * STEPS_PER_SQUARE / square))
    return (np.arange(count) + 0.5) * image_size / count


def explain(
    model: nn.Module, inputs: Any, square: int, scale: Scale, device: Backend, batch_size: int
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
        gradient_map(model, inputs, predicted, scale, device),
        grad_cam(model, inputs, predicted, device),
        occlusion_map(model, inputs, predicted, square, device, batch_size),
    )


def explained(
    trained: Trained, images: Dataset, square: int
) -> Iterator[tuple[Prepared, Saliency]]:
    """Each image of a set, and what its most probable class rests on; see `explain`."""
    scale = trained.checkpoint.preprocessing.scale
    for image in pictures.prepare_images(trained, images):
        result = explain(
            trained.model, image.inputs, square, scale, trained.device, trained.batch_size
        )
        yield image, result


# -- the command -----------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    options.add_data_options(parser)
    pictures.add_image_options(parser, default=4)
    parser.add_argument(
        "--square",
        type=cli.count,
        metavar="PIXELS",
        help=f"side of the square that is moved over the image; default: 1/{SQUARE_SHARE} of it",
    )
    options.add_computing_options(parser)
    add_out_option(parser, "saliency.png beside the checkpoint")


def run(arguments: argparse.Namespace) -> int:
    trained = options.network(arguments)
    path = destination(arguments, "saliency.png")
    square = chosen_square(trained, arguments.square)
    images = pictures.select_images(arguments, trained)
    rows = []
    for image, result in explained(trained, images, square):
        rows.append((image.picture, result))
        name = display_name(trained.classes[result.predicted])
        print(cli.printable(f"{image.name}: {name} {result.probability:.1%}"))
    save(saliency_figure(rows, trained.classes, square), path)
    pictures.say_rows_left_out(len(rows), path)
    print(cli.printable(f"picture: {path}"))
    return 0


def chosen_square(trained: Trained, square: int | None = None) -> int:
    """The side of the square that is given, or else a sixth of the image's, in pixels.

    Raises:
        UsageError: it is larger than the image.
    """
    size = trained.checkpoint.preprocessing.image_size
    if square is None:
        return max(1, size // SQUARE_SHARE)
    if square > size:
        raise UsageError(f"a square of {square} pixels: the network's images have {size} pixels")
    return square


# -- the picture -----------------------------------------------------------------------------------


def saliency_figure(
    rows: list[tuple[Picture, Saliency]], classes: list[str], square: int
) -> Figure:
    """A row for each image: the image, the gradient, Grad-CAM, and what occlusion changes.

    Args:
        rows: of which `pictures.MAX_ROWS` are drawn.
        square: side of the square that covered the image, pixels.
    """
    rows = rows[: pictures.MAX_ROWS]
    figure = new_figure(HEADER + len(rows) * (CELL + TITLE) + 0.12)
    headings = (
        "image",
        "gradient of the score,\nlargest of the colors",
        "Grad-CAM: what speaks\nfor the class in conv5",
        f"change of the probability\nbehind a square of {square} pixels",
    )
    for column, heading in enumerate(headings):
        add_text(figure, _left(column), 0.08, heading, fontsize=NORMAL, weight="bold")
    for row, (picture, result) in enumerate(rows):
        top = HEADER + row * (CELL + TITLE) + TITLE
        image, gradient, cam, occlusion = (
            add_axes(figure, _left(column), top, CELL, CELL) for column in range(4)
        )
        scale = add_axes(figure, _left(3) + CELL + 0.06, top, 0.1, CELL)
        for axes in (image, gradient, cam, occlusion, scale):
            frame(axes, "0.6")
        _draw_image(image, picture, result, classes)
        _draw_gradient(gradient, result)
        _draw_cam(cam, picture, result)
        _draw_occlusion(occlusion, scale, picture, result)
    return figure


def _left(column: int) -> float:
    return 0.1 + column * (CELL + GAP)


def gradient_colors(gradient: np.ndarray) -> np.ndarray:
    """A gradient (S, S) in colors (S, S, 3) from 0 to 1; the largest hundredth is the lightest."""
    # Single pixels of large gradient would leave all others black.
    light = float(np.quantile(gradient, 0.99)) or 1.0
    return colormap(INTENSITY)(gradient / light)[:, :, :3]


def cam_colors(cam: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A map (H, W) of Grad-CAM over a gray picture: colors (S, S, 3) from 0 to 1."""
    heat = _enlarged(cam / (float(cam.max()) or 1.0), len(pixels)).clip(0, 1)
    gray = pixels.mean(axis=2, keepdims=True) / 255
    return 0.6 * colormap(INTENSITY)(heat)[:, :, :3] + 0.4 * gray


def _draw_image(axes: Axes, picture: Picture, result: Saliency, classes: list[str]) -> None:
    names = [pictures.class_name(classes, n) for n in (result.predicted, picture.label)]
    predicted, true = (fitted(name, CELL - 0.65, NORMAL) for name in names)
    title = f"as: {predicted}, {text.percentage(result.probability)}"
    if true:
        title = f"is: {true}\n{title}"
    axes.set_title(title, fontsize=NORMAL, loc="left", pad=3, parse_math=False)
    axes.imshow(picture.pixels)


def _draw_gradient(axes: Axes, result: Saliency) -> None:
    axes.imshow(gradient_colors(result.gradient))
    axes.set_title("lightest: the largest 1%", fontsize=SMALL, loc="left", pad=3)


def _draw_cam(axes: Axes, picture: Picture, result: Saliency) -> None:
    axes.imshow(cam_colors(result.cam, picture.pixels))
    title = "lightest: most" if result.cam.any() else "nothing speaks for it"
    axes.set_title(title, fontsize=SMALL, loc="left", pad=3)


def _draw_occlusion(axes: Axes, scale: Axes, picture: Picture, result: Saliency) -> None:
    """The change of the probability over the image, and its scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    change = result.occlusion - result.probability
    most = max(float(np.abs(change).max()), 0.01)
    axes.imshow(_over_picture(change / most, picture.pixels))
    least, highest = result.occlusion.min(), result.occlusion.max()
    title = f"then between {least:.1%} and {highest:.1%}"
    axes.set_title(title, fontsize=SMALL, loc="left", pad=3)
    changes = ScalarMappable(Normalize(-most, most), CHANGES)
    bar = axes.figure.colorbar(changes, cax=scale, ticks=[-most, 0, most])
    bar.ax.set_yticklabels([f"−{most:.0%}", "0", f"+{most:.0%}"], fontsize=SMALL)
    bar.outline.set(linewidth=0.5)


def _over_picture(change: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A map (G, G) of -1 to 1 in colors over a gray picture, which stays as it is where it is 0."""
    colors = colormap(CHANGES)((_enlarged(change, len(pixels)) + 1) / 2)[:, :, :3]
    gray = pixels.mean(axis=2, keepdims=True) / 255
    return colors * (0.3 + 0.7 * gray)


def _enlarged(values: np.ndarray, size: int) -> np.ndarray:
    """A map (G, G) in the size of the picture (S, S), without edges between its places."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
