"""What the benchmark commands share: options, and where the figures go."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def positive(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")


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
