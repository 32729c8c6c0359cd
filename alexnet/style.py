"""How all pictures look: colors, page size, fonts; places in inches; making and saving them.

matplotlib is imported when the first picture is drawn: it takes half a second, and most commands
draw nothing. Pictures are files; no window, no display and no backend for them is needed.
`new_figure`, `colormap` and `fitted` see to that. Whoever needs more of matplotlib imports it after
one of them.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from alexnet import files
from alexnet.text import drawable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which color-blind readers can tell apart, without its yellow, which is
# too pale on white.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY_BLUE, ORANGE, BLACK = "#56B4E9", "#E69F00", "#000000"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, SKY_BLUE, ORANGE, BLACK)
GRAY = "#767676"
TRAINING, VALIDATION, REFERENCE = BLUE, VERMILION, GRAY
RIGHT, WRONG = BLUE, VERMILION
# From black to light yellow, even in brightness, which color-blind readers see as well.
INTENSITY = "inferno"

# Inches between the margins of a page of A4.
PAGE_WIDTH, PAGE_HEIGHT = 7.4, 10.4
SMALL, NORMAL, LARGE = 7, 8, 9  # points
DOTS_PER_INCH = 150
PIXELS_PER_INCH = 96  # of CSS, in a browser


def _matplotlib() -> ModuleType:
    """The package, imported.

    By itself it cannot be imported where MPLBACKEND names a backend that is not installed, as the
    processes that a notebook starts inherit it.
    """
    if "matplotlib" not in sys.modules and (backend := os.environ.pop("MPLBACKEND", None)):
        import matplotlib

        os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend  # for others: a notebook, pyplot
    import matplotlib

    return matplotlib


def new_figure(height: float, width: float = PAGE_WIDTH, **options: Any) -> Figure:
    """An empty figure; height and width in inches, options of matplotlib's ``Figure``.

    A notebook shows it where it is the value of a cell.
    """
    return _figure_class()(figsize=(width, height), **options)


@functools.cache
def _figure_class() -> type[Figure]:
    _matplotlib()
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that a notebook shows without pyplot, which would keep it and show it again."""

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            """The picture, and its width and height on the screen."""
            file = io.BytesIO()
            with boxes_for_missing_letters():
                self.savefig(file, format="png", dpi=DOTS_PER_INCH)
            width, height = (round(side * PIXELS_PER_INCH) for side in self.get_size_inches())
            return file.getvalue(), {"width": width, "height": height}

    return ShownFigure


def colormap(name: str) -> Colormap:
    """One of matplotlib's colormaps."""
    return _matplotlib().colormaps[name]


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place of a figure, in inches from its upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def add_text(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """A text below and to the right of a place, in inches from the upper left corner."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, va="top", parse_math=False, **style)


def add_legend(figure: Figure, marks: list[Artist], names: list[str], **style: Any) -> None:
    """A legend that shows every name as it is, also one with a dollar or an underscore first."""
    # Names that begin with an underscore would be left out; the texts are therefore set afterwards.
    places = [str(place) for place in range(len(names))]
    for text, name in zip(figure.legend(marks, places, **style).get_texts(), names):
        text.set(text=name, parse_math=False)


def frame(axes: Axes, color: str, width: float = 0.5) -> None:
    """Axes for a picture: no ticks, and a thin line around it."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=color, linewidth=width)


def plain(axes: Axes) -> None:
    """Axes for curves: no box, and faint horizontal lines behind them."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers only, and at least one."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


@contextlib.contextmanager
def boxes_for_missing_letters() -> Iterator[None]:
    """Within this block a letter that the font lacks is drawn as a box, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def fitted(text: str, width: float, size: float, weight: str = "normal") -> str:
    """A text, shortened at its end where it would be wider than `width`.

    Args:
        width: inches.
        size: of the font, points.
        weight: of the font.
    """
    text = drawable(text)
    if _inches(text, size, weight) <= width:
        return text
    length = len(text) - 1
    while length and _inches(f"{text[:length].rstrip()}…", size, weight) > width:
        length -= 1
    return f"{text[:length].rstrip()}…"


def wrapped(text: str, width: float, size: float, indent: str = "") -> list[str]:
    """A text in lines that are no wider than `width`, broken at spaces.

    Args:
        width: inches.
        size: of the font, points.
        indent: of every line but the first.
    """
    first, *words = drawable(text).split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if _inches(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(indent + word)
    return lines


def _inches(text: str, size: float, weight: str = "normal") -> float:
    """How wide a text is in a font of `size` points."""
    _matplotlib()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size, weight=weight)
    with boxes_for_missing_letters():
        points, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return points / 72


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name of the file ends in; all of it or nothing.

    Raises:
        OSError: it cannot be written.
    """
    with boxes_for_missing_letters(), files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH)
