"""How pictures look and where they go."""

import argparse
from pathlib import Path

from matplotlib.axes import Axes

from alexnet import cli

# Okabe and Ito's palette without its yellow, which is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#767676"
# Inches between the margins of a page of A4.
PAGE_WIDTH, PAGE_HEIGHT = 7.4, 10.4
SMALL, NORMAL = 7, 8  # points


def add_out_option(
    parser: argparse.ArgumentParser, default: str, suffixes: tuple[str, ...] = (".png", ".svg")
) -> None:
    parser.add_argument(
        "--out",
        type=cli.output_file(*suffixes),
        metavar="FILE",
        help=f"picture to write, {' or '.join(suffixes)}; default: {default}",
    )


def folder_of(checkpoint: Path) -> Path:
    """The run folder of a checkpoint that is given as a run folder or as a file in one."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def destination(arguments: argparse.Namespace, name: str) -> Path:
    """The picture that --out names, or else one beside the checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    return arguments.out or cli.writable(folder_of(arguments.checkpoint) / name)


def run_name(path: Path | str, length: int) -> str:
    """A path for the title of a picture; one that is too long loses its beginning."""
    name = str(path).encode("utf-8", "replace").decode()  # a name of a file need not be text
    return name if len(name) <= length else "…" + name[1 - length :]


def plain(axes: Axes) -> None:
    """Axes for curves: no box, faint horizontal lines, small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)
