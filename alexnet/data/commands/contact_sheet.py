"""A page of samples: images of a data set, and the views of them that the network gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.commands.inspection import Inspection
from alexnet.data.dataset import Dataset
from alexnet.data.labels import shortened
from alexnet.data.statistics import color_statistics
from alexnet.data.transforms import (
    Augmentation,
    Preprocessing,
    RandomViews,
    View,
    central_view,
    color_deviations,
)
from alexnet.style import (
    DOTS_PER_INCH,
    NORMAL,
    PAGE_WIDTH,
    boxes_for_missing_letters,
    frame,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

IMAGE_SIZE = 227
MAX_CLASSES = 10
EPOCHS = 7
FACTORS = (-0.2, -0.1, 0.0, 0.1, 0.2)
FORMULAS = {"2012": "d = s", "paper": "d = s²", "pytorch": "d = s² / 255"}
# In inches: ten classes fill a page.
LABEL, CELL, GAP, NUMBERS, TITLE = 1.3, 0.7, 0.04, 0.48, 0.7


def contact_sheet(inspection: Inspection, title: str, seed: int, path: Path) -> None:
    """Draw a page as a PNG: samples of up to ten classes, and what color noise does to one.

    Beside each sample are its views in the first epochs of a training with this seed, without the
    subtraction of the mean.
    """
    dataset = inspection.dataset
    usable = Skipping(dataset, BadImages(skip=True, limit=len(dataset)))
    preprocessing = Preprocessing(image_size=IMAGE_SIZE, **color_statistics(usable)._asdict())
    samples = _samples(inspection, seed)

    height = TITLE + len(samples) * (CELL + GAP)
    noise_height = TITLE + len(FORMULAS) * (CELL + GAP)
    figure = new_figure(height + noise_height)
    above, below = figure.subfigures(2, 1, height_ratios=(height, noise_height))
    _draw_samples(above, dataset, samples, preprocessing, title, seed)
    _draw_color_noise(below, dataset.image(samples[0]), preprocessing)
    with boxes_for_missing_letters():
        figure.savefig(path, format="png", dpi=DOTS_PER_INCH)


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


def shown(view: View) -> np.ndarray:
    """A view as a picture: the network's input without the subtraction of the mean."""
    crop = view.crop[:, ::-1] if view.flip else view.crop
    return np.clip(np.rint(crop + view.color_shift), 0, 255).astype(np.uint8)


def _draw_samples(
    figure: SubFigure,
    dataset: Dataset,
    samples: list[int],
    preprocessing: Preprocessing,
    title: str,
    seed: int,
) -> None:
    headings = ["as it is", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    grid = _grid(
        figure,
        f"{shortened(title, 70)}\nA training image of each class, and what the network gets of it "
        f"(seed {seed}; the mean is not subtracted)",
        [shortened(dataset.classes[dataset.labels[index]], 20) for index in samples],
        headings,
        cell_width=CELL + GAP,
    )
    for row, index in zip(grid, samples):
        image = dataset.image(index)
        row[0].imshow(image)
        for epoch, axes in enumerate(row[1:]):
            views = RandomViews(preprocessing, Augmentation(), seed, epoch, [index])
            axes.imshow(shown(views.view(0, image)))


def _draw_color_noise(figure: SubFigure, image: np.ndarray, preprocessing: Preprocessing) -> None:
    deviations = ", ".join(f"{s:.0f}" for s in preprocessing.standard_deviations)
    grid = _grid(
        figure,
        "Color noise: a·d along each principal component of the colors, here with the same a for "
        "all three\n"
        f"Standard deviations s: {deviations} gray levels. Beside each: the shift of red, green, "
        "blue",
        [f"{form}:  {formula}" for form, formula in FORMULAS.items()],
        [f"a = {factor:+.1f}".replace("-", "−") if factor else "a = 0" for factor in FACTORS],
        cell_width=CELL + NUMBERS,
    )
    crop = central_view(image, preprocessing).crop
    for row, form in zip(grid, FORMULAS):
        for axes, factor in zip(row, FACTORS):
            factors = factor * color_deviations(preprocessing, form)
            shift = np.asarray(preprocessing.eigenvectors) @ factors
            axes.imshow(shown(View(crop, False, shift)))
            text = "\n".join(f"{name} {_level(x)}" for name, x in zip("RGB", shift))
            axes.text(1.05, 0.5, text, fontsize=6.5, va="center", transform=axes.transAxes)


def _grid(
    figure: SubFigure, title: str, rows: list[str], columns: list[str], cell_width: float
) -> np.ndarray:
    """A grid of axes for pictures, with a title of two lines and names of rows and columns."""
    height = TITLE + len(rows) * (CELL + GAP)
    style = {"fontsize": NORMAL, "parse_math": False}
    heading, explanation = title.split("\n")
    figure.text(0.1 / PAGE_WIDTH, 1 - 0.1 / height, heading, va="top", weight="bold", **style)
    figure.text(0.1 / PAGE_WIDTH, 1 - 0.27 / height, explanation, va="top", **style)
    grid = np.empty((len(rows), len(columns)), object)
    for i, row in enumerate(rows):
        bottom = height - TITLE - i * (CELL + GAP) - CELL
        for j in range(len(columns)):
            left = LABEL + j * cell_width
            place = (left / PAGE_WIDTH, bottom / height, CELL / PAGE_WIDTH, CELL / height)
            grid[i, j] = axes = figure.add_axes(place)
            frame(axes, "0.8")
        grid[i, 0].set_ylabel(row, rotation=0, ha="right", va="center", **style)
    for axes, column in zip(grid[0], columns):
        axes.text(0.5, 1.05, column, ha="center", transform=axes.transAxes, **style)
    return grid


def _level(shift: float) -> str:
    """A number of gray levels, in at most five characters."""
    digits = 0 if abs(shift) >= 100 else 1
    return f"{shift:+.{digits}f}".replace("-", "−") if shift else "0"
