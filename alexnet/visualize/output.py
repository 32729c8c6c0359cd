"""Where the commands write their pictures, and how a run is named in them."""

import argparse
from pathlib import Path

from alexnet import cli
from alexnet.text import drawable


def add_out_option(
    parser: argparse.ArgumentParser, default: str, suffixes: tuple[str, ...] = (".png", ".svg")
) -> None:
    parser.add_argument(
        "--out",
        type=cli.output_file(*suffixes),
        metavar="FILE",
        help=f"picture to write, {' or '.join(suffixes)}; default: {default}",
    )


def run_folder(checkpoint: Path) -> Path:
    """The run folder of a checkpoint that is given as a run folder or as a file in one."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def destination(arguments: argparse.Namespace, name: str) -> Path:
    """The picture that --out names, or else one beside the checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    return arguments.out or cli.writable(run_folder(arguments.checkpoint) / name)


def run_name(path: Path | str, length: int) -> str:
    """A path for the title of a picture; one that is too long loses its beginning."""
    name = drawable(str(path))
    return name if len(name) <= length else "…" + name[1 - length :]
