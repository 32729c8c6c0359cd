"""What the benchmark commands share: options, and where the figures go."""

import argparse
import json
from pathlib import Path
from typing import Any

from alexnet import cli


def writable(text: str) -> Path:
    """An argparse type: a file to write, which is checked before anything is measured."""
    return cli.writable(Path(text))


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures to FILE")


def save(report: dict[str, Any], path: Path | None) -> None:
    """Write the report if a path was given.

    Raises:
        OSError: it cannot be written.
    """
    if path is not None:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
