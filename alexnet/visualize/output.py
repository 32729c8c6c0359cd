"""How pictures look and where they go."""

import argparse
from pathlib import Path

from matplotlib.axes import Axes

from alexnet import command

# Okabe and Ito's palette without its yellow, which is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#767676"
# Inches between the margins of a page of A4.
PAGE_WIDTH, PAGE_HEIGHT = 7.4, 10.4
SMALL, NORMAL = 7, 8  # points


def add_out_option(parser: argparse.ArgumentParser, default: str, suffixes: str) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where to draw to, {suffixes}; default: {default}",
    )


def destination(given: Path | None, default: Path, suffixes: tuple[str, ...]) -> Path:
    """The file to draw to.

    Raises:
        UsageError: it is of no kind that can be drawn.
    """
    path = given or default
    if path.suffix.lower() not in suffixes:
        raise command.UsageError(
            f"cannot draw {path}: its name must end with {' or '.join(suffixes)}"
        )
    return path


def folder_of(checkpoint: Path) -> Path:
    """The run folder of a checkpoint that is given as a run folder or as a file in one."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def plain(axes: Axes) -> None:
    """Axes for curves: no box, faint horizontal lines, small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)
