"""``python -m benchmarks.compare A.json B.json``: what became faster or slower."""

import json
import sys
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.errors import DataError
from benchmarks.timing import Sample, interval, ratio

SAME = ("kind", "arch", "batch")  # of two reports that can be compared
MACHINE = ("cpu", "threads")


def load(path: Path) -> dict[str, Any]:
    """A report as `--json` wrote it."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return {
            **report,
            "about": dict(report["about"]),
            "samples": {r["name"]: Sample(tuple(r["seconds"])) for r in report["results"]},
        }
    except OSError as error:
        raise DataError(str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no report of a benchmark (written with --json)") from error


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line for each thing that both have timed."""
    for key in SAME:
        if before.get(key) != after.get(key):
            raise DataError(f"not the same benchmark: {key} {before.get(key)} and {after.get(key)}")
    for key in MACHINE:
        one, other = before["about"].get(key), after["about"].get(key)
        if one != other:
            raise DataError(f"not the same machine: {key} {one} and {other}")
    width = max([44, *(len(name) + 1 for name in before["samples"])])
    lines = [f"{'':<{width}}{'A ms':>10}{'B ms':>10}{'B / A':>8}{'95%':>14}"]
    for name, a in before["samples"].items():
        if name not in after["samples"]:
            continue
        b = after["samples"][name]
        middle, low, high = ratio(b, a, same_rounds=False)
        verdict = "faster" if high < 1 else "slower" if low > 1 else ""
        lines.append(
            f"{name:<{width}}{1e3 * a.median:>10.2f}{1e3 * b.median:>10.2f}{middle:>8.2f}"
            f"{interval(low, high):>14}  {verdict}".rstrip()
        )
    return lines


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.compare",
        description="Compare two reports of the same benchmark on the same machine.",
        epilog="example: python -m benchmarks.layers --json before.json; (change something); "
        "python -m benchmarks.layers --json after.json; "
        "python -m benchmarks.compare before.json after.json",
    )
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    arguments = parser.parse_args(argv)
    print("\n".join(compare(load(arguments.before), load(arguments.after))))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 3 where a file cannot be used."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
