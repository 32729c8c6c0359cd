"""The command; see the package."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from alexnet import cli
from benchmarks import NETWORKS
from benchmarks.gpu_check import (
    compiled,
    counters,
    device,
    feeding,
    kernels,
    layers,
    record,
    runner,
    sanitizers,
    smoke,
    steps,
    tests,
    training,
)
from benchmarks.gpu_check.part import Options
from benchmarks.gpu_check.runner import FAILED, NOT_BEGUN, PASSED, Entry
from minigrad import BackendError

PACKAGE = "benchmarks.gpu_check"
EXIT_CODES = """\
exit codes:
  0  every part passed                        1  a part did not, see DIR/summary.md
  2  wrong use of the command                 7  DIR cannot be written
  8  there is no GPU that can be used       130  interrupted with Ctrl-C, 143  terminated;
                                                 what is known by then is in DIR
"""


class Part(NamedTuple):
    """A part of the check.

    Attributes:
        seconds: its share of nine minutes.
        work: what `part` runs, a function of a module.
        summary: its results in Markdown.
    """

    seconds: int
    work: str
    summary: Callable[[dict[str, Any]], list[str]]


def _part(seconds: int, module: ModuleType, function: str = "run") -> Part:
    return Part(seconds, f"{module.__name__}:{function}", module.summary)


# The most valuable first: the time may be over at any moment. The shares are what an H200 with 16
# cores needed, and a reserve; to import PyTorch takes ten seconds of each part that compares.
PARTS = {
    "smoke": _part(30, smoke),
    "steps": _part(80, steps),
    "kernels": _part(35, kernels),
    "tests": _part(60, tests),
    "layers": _part(75, layers),
    "memcheck": _part(50, sanitizers, "memcheck"),
    "racecheck": _part(25, sanitizers, "racecheck"),
    "initcheck": _part(25, sanitizers, "initcheck"),
    "synccheck": _part(15, sanitizers, "synccheck"),
    "compiled": _part(45, compiled),
    "training": _part(55, training),
    "feeding": _part(15, feeding),
    "counters": _part(30, counters),
}
LEAST_SECONDS = 3  # with fewer left it is not worth beginning
DEVICE_SECONDS = 60  # to begin with the GPU at all
FULL = {"batch": 128, "repeats": 5, "calls": 10, "image_size": None, "width": 1.0}
SMALL = {"batch": 1, "repeats": 1, "calls": 1, "image_size": 67, "width": 0.1}


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog=f"python -m {PACKAGE}",
        description="Everything there is to learn from ten minutes on a GPU: whether the backend "
        "is right, what it costs beside PyTorch, and whether it trains.",
        epilog=f"example: python -m {PACKAGE} --out gpu --minutes 4 --parts steps layers\n\n"
        + EXIT_CODES,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/gpu_check"), metavar="DIR", help="for all results"
    )
    parser.add_argument(
        "--minutes", type=cli.positive, default=9, metavar="M", help="in all; default: 9"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--arch", choices=NETWORKS, help="only this network; default: all")
    parser.add_argument("--batch", type=cli.count, metavar="N", help="default: 128")
    parser.add_argument(
        "--image-size", type=cli.count, metavar="PIXELS", help="default: each network's own"
    )
    parser.add_argument(
        "--repeats", type=cli.count, metavar="N", help="samples of each time; default: 5"
    )
    parser.add_argument(
        "--workers",
        type=cli.count,
        default=min(8, os.cpu_count() or 1),
        metavar="N",
        help="threads that decode images; default: 8, or one for each core",
    )
    parser.add_argument(
        "--data-root", default="data", metavar="DIR", help="images to train on, if it exists"
    )
    parser.add_argument(
        "--small", action="store_true", help="tiny networks and few images, to try the command"
    )
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    sizes = {**(SMALL if arguments.small else FULL), **given}
    return Options(
        out=str(arguments.out.resolve()),
        architectures=(arguments.arch,) if arguments.arch else NETWORKS,
        **{name: sizes[name] for name in ("batch", "image_size", "width", "repeats", "calls")},
        **{name: sizes[name] for name in ("workers", "data_root", "small")},
    )


def _about_device(options: Options, log: Any) -> dict[str, Any]:
    """Device, driver and versions, as a process of its own finds them.

    Raises:
        BackendError: there is no GPU that can be used.
    """
    entry = runner.run(f"{device.__name__}:run", options, DEVICE_SECONDS, log, lambda entry: None)
    if entry.status != PASSED:
        if entry.output_end != [f"problem: {entry.reason}"]:  # it was not the backend that said so
            cli.say("\n".join(entry.output_end))
        raise BackendError(entry.reason)
    return entry.results


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    started, total = time.monotonic(), 60 * arguments.minutes
    options = _options(arguments)
    names = [name for name in PARTS if name in arguments.parts]
    with open(os.devnull, "wb") as nowhere:
        about = _about_device(options, nowhere)
    about = {
        "date": record.today(),
        **about,
        "command": cli.command(f"python -m {PACKAGE}", *(sys.argv[1:] if argv is None else argv)),
    }
    summaries = {name: PARTS[name].summary for name in names}
    results = record.Record(arguments.out, about, summaries)
    try:
        with results.log() as log:
            _run_parts(names, options, results, log, started, total)
    except KeyboardInterrupt:
        results.stop("by a signal")
        raise
    print(f"{results.folder / record.SUMMARY}")
    return 0 if results.passed else 1


def _run_parts(
    names: list[str],
    options: Options,
    results: record.Record,
    log: Any,
    started: float,
    total: float,
) -> None:
    """One part after the other.

    Each must be done when its share of the time, and those of all before it, are over: what one
    leaves of its time the next may use, and what one wastes it takes from none of the others.
    """
    shares = sum(PARTS[name].seconds for name in names)
    share = 0
    for name in names:
        share += PARTS[name].seconds
        limit = started + total * share / shares - time.monotonic()
        if limit < LEAST_SECONDS:
            results.update(name, Entry(NOT_BEGUN, "the time is over"))
            continue
        log.write(f"\n== {name}\n".encode())
        log.flush()
        try:
            entry = runner.run(
                PARTS[name].work,
                options,
                limit,
                log,
                lambda entry, name=name: results.update(name, entry),
            )
        except OSError as error:
            # The files, or the start of the process? A record that cannot be written raises again.
            entry = Entry(FAILED, f"could not be run: {error}")
            results.update(name, entry)
        line = f"{name:<10} {entry.status:<10} {entry.seconds:5.0f} s  {entry.reason}"
        print(line.rstrip(), flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
