"""What the benchmark commands share: options, and where the figures go."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from alexnet import cli


def positive(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def output(text: str) -> Path:
    """An argparse type: a file to write. One that cannot be written ends the command with 7.

    It is checked before minutes are spent on what would go there.
    """
    try:
        return cli.writable(Path(text))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(7) from error


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=output, metavar="FILE", help="write all figures to FILE")


def add_plot_option(parser: argparse.ArgumentParser, drawn: str) -> None:
    parser.add_argument("--plot", type=output, metavar="FILE", help=f"draw {drawn} as a PNG")


def save(report: dict[str, Any], path: Path | None) -> int:
    """Write the report if a path was given; the exit code, 7 where it cannot be written."""
    if path is None:
        return 0
    try:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 7
    return 0
