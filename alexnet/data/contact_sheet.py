"""A page of samples: images of a data set as they are, and as the network gets them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from alexnet.data.bad_images import BadImages
from alexnet.data.dataset import Dataset
from alexnet.data.inspection import Inspection
from alexnet.data.statistics import color_statistics
from alexnet.data.transforms import (
    COLOR_NOISE_FORMS,
    Augmentation,
    Preprocessing,
    central_view,
    color_deviations,
    training_view,
)

IMAGE_SIZE = 227
MAX_CLASSES = 10
EPOCHS = 5
FACTORS = (-0.2, -0.1, 0.0, 0.1, 0.2)
# Inches, of a page of A4 with its margins.
WIDTH, ROW, HEADER = 7.5, 0.78, 0.62
DOTS_PER_INCH = 150
FORMULAS = {"2012": "d = s", "paper": "d = s²", "pytorch": "d = s² / 255"}


def contact_sheet(inspection: Inspection, title: str, seed: int, path: Path) -> None:
    """Draw a page as a PNG: samples of up to ten classes, and what colour noise does to one.

    A sample is shown as it is, and as training with this seed gets it in its first epochs; the
    mean is not subtracted.
    """
    dataset = inspection.dataset
    statistics = color_statistics(dataset, BadImages(skip=True, limit=len(dataset)))
    preprocessing = Preprocessing(image_size=IMAGE_SIZE, **statistics._asdict())
    samples = _samples(inspection, seed)

    heights = [HEADER + len(samples) * ROW, HEADER + 0.2 + len(COLOR_NOISE_FORMS) * (ROW + 0.1)]
    figure = Figure(figsize=(WIDTH, sum(heights)))
    above, below = figure.subfigures(2, 1, height_ratios=heights)
    _draw_samples(above, heights[0], dataset, samples, preprocessing, title, seed)
    _draw_color_noise(below, heights[1], dataset.image(samples[0]), preprocessing)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _samples(inspection: Inspection, seed: int) -> list[int]:
    """A random usable image of each class, of at most ten classes from the first to the last."""
    labels = inspection.dataset.labels
    present = np.unique(labels[inspection.usable])
    chosen = np.linspace(0, len(present) - 1, min(len(present), MAX_CLASSES)).round().astype(int)
    rng = np.random.default_rng(seed)
    return [
        int(rng.choice(np.flatnonzero(inspection.usable & (labels == label))))
        for label in present[chosen]
    ]


def shown(crop: np.ndarray, flip: bool, color_shift: np.ndarray) -> np.ndarray:
    """A view as a picture: the network's input without the subtraction of the mean."""
    crop = crop[:, ::-1] if flip else crop
    return np.clip(np.rint(crop + color_shift), 0, 255).astype(np.uint8)


def _draw_samples(
    figure: SubFigure,
    height: float,
    dataset: Dataset,
    samples: list[int],
    preprocessing: Preprocessing,
    title: str,
    seed: int,
) -> None:
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=9, weight="bold", va="top")
    grid = figure.subplots(
        len(samples),
        1 + EPOCHS,
        squeeze=False,
        gridspec_kw={
            "left": 0.2,
            "right": 0.98,
            "top": 1 - HEADER / height,
            "bottom": 0.02,
            "wspace": 0.04,
            "hspace": 0.06,
        },
    )
    for axes, heading in zip(grid[0], ["as it is", *(f"epoch {e + 1}" for e in range(EPOCHS))]):
        axes.set_title(heading, fontsize=8, pad=4)
    for row, index in zip(grid, samples):
        image = dataset.image(index)
        _picture(row[0], image)
        row[0].set_ylabel(
            _shortened(dataset.classes[dataset.labels[index]]),
            fontsize=8,
            rotation=0,
            ha="right",
            va="center",
        )
        for epoch, axes in enumerate(row[1:]):
            view = training_view(image, preprocessing, Augmentation(), seed, epoch, index)
            _picture(axes, shown(*view))


def _draw_color_noise(
    figure: SubFigure, height: float, image: np.ndarray, preprocessing: Preprocessing
) -> None:
    deviations = ", ".join(f"{s:.0f}" for s in preprocessing.standard_deviations)
    figure.text(
        0.02,
        1 - 0.08 / height,
        "Colour noise a·d along the principal components of the colours, all three factors equal;\n"
        f"their standard deviations s are {deviations} grey levels."
        " Beside each picture: the shift of red, green, blue.",
        fontsize=8,
        va="top",
    )
    crop = central_view(image, preprocessing).crop
    grid = figure.subplots(
        len(COLOR_NOISE_FORMS),
        len(FACTORS),
        gridspec_kw={
            "left": 0.13,
            "right": 0.91,
            "top": 1 - (HEADER + 0.1) / height,
            "bottom": 0.04,
            "wspace": 0.1,
            "hspace": 0.08,
        },
    )
    for axes, factor in zip(grid[0], FACTORS):
        axes.set_title(f"a = {factor:+.1f}" if factor else "a = 0", fontsize=8, pad=4)
    for row, form in zip(grid, COLOR_NOISE_FORMS):
        row[0].set_ylabel(
            f"{form}\n{FORMULAS[form]}", fontsize=8, rotation=0, ha="right", va="center"
        )
        for axes, factor in zip(row, FACTORS):
            shift = np.asarray(preprocessing.eigenvectors) @ (
                factor * color_deviations(preprocessing, form)
            )
            _picture(axes, shown(crop, False, shift))
            text = "\n".join(f"{level:+.1f}" if level else "0" for level in shift.tolist())
            axes.text(1.05, 0.5, text, fontsize=6.5, va="center", transform=axes.transAxes)


def _picture(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_anchor("W")


def _shortened(name: str, length: int = 20) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
