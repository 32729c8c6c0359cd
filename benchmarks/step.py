"""``python -m benchmarks.step``: a training step, or inference, beside PyTorch and others."""

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.model import ARCHITECTURES
from alexnet.precision import require_available
from alexnet.run import environment
from benchmarks import NETWORKS, busy, machine, peer, precision
from benchmarks.contestant import FORMS, OURS
from benchmarks.entry import Contestant, Entry, Work, obstacle, started
from benchmarks.precision import BF16, FLOAT32
from benchmarks.report import add_json_option, save
from benchmarks.runtimes import RUNTIMES
from benchmarks.timing import Sample, interleaved, interval, ratio
from minigrad import backend

SCORE_TOLERANCE = 1e-4
# Where two pixels are nearly equal or an activation is nearly zero, rounding decides, and a
# gradient takes another way.
GRADIENT_TOLERANCE = 1e-2
WEIGHT_LAYERS = 8  # of either network: an error passes them forwards, and for a gradient backwards
# After a forward pass some programs' threads look for work for 40 ms, which would be taken from the
# program whose turn is next.
PAUSE = 0.1


@dataclass(frozen=True)
class Result:
    """What one contestant did; `ratio` is our median over its, with a 95% confidence interval.

    `busy` are its steps beside a busy program.
    """

    name: str
    sample: Sample
    peak_bytes: int | None
    ratio: tuple[float, float, float]
    busy: Sample | None = None

    def report(self) -> dict[str, Any]:
        """For the file that `--json` writes."""
        return {
            "name": self.name,
            "seconds": self.sample.seconds,
            "peak_bytes": self.peak_bytes,
            "ratio": self.ratio,
            **({"busy_seconds": self.busy.seconds} if self.busy else {}),
        }


def measure(
    entries: list[Entry], work: Work, repeats: int, beside_busy: bool = False
) -> list[Result]:
    """Let all contestants take turns; the first entry is ours, the others are compared with it.

    One that computes something else is named on stderr and left out.

    Args:
        beside_busy: each has two turns in a round: alone, and beside a program that keeps one core
            busy.

    Raises:
        Failed: a contestant cannot run.
    """
    with ExitStack() as stack:
        contestants = [stack.enter_context(started(entry, work)) for entry in entries]
        checks = [contestant.ask("check") for contestant in contestants]
        turns = list(zip(entries, contestants))
        for turn, check in zip(turns[1:], checks[1:]):
            rounded = BF16 in (turn[0].precision, entries[0].precision)
            # Without the normalization it is another network, with nothing to compare it to.
            problem = None if turn[0].without_norm else _difference(check, checks[0], rounded)
            if problem:
                print(f"not timed: {turn[0].name}: {problem}", file=sys.stderr)
                turns.remove(turn)
        entries, contestants = zip(*turns)
        steps = [lambda c=c: _step(c, work) for c in contestants]
        beside = [lambda s=s: busy.beside(s) for s in steps] if beside_busy else []
        samples = interleaved([*steps, *beside], repeats)
        peaks = [contestant.ask("peak") for contestant in contestants]
    quiet, disturbed = samples[: len(steps)], samples[len(steps) :] or [None] * len(steps)
    return [
        Result(entry.name, sample, peak, ratio(quiet[0], sample), other)
        for entry, sample, peak, other in zip(entries, quiet, peaks, disturbed)
    ]


def _step(contestant: Contestant, work: Work) -> float:
    if not work.training:
        time.sleep(PAUSE)
    return contestant.ask("step")


def _difference(check: dict, ours: dict, rounded: bool) -> str | None:
    """What differs by more than rounding, in words.

    Args:
        rounded: one of the two has rounded factors to bfloat16.
    """
    scores, norms = np.array(ours["scores"]), np.array(ours["norms"])
    error = np.abs(scores - check["scores"]).max() / np.abs(scores).max()
    if not error <= (precision.tolerance(WEIGHT_LAYERS) if rounded else SCORE_TOLERANCE):
        return f"class scores differ from ours by {error:.1e} of the largest"
    if len(norms):
        error = (np.abs(norms - check["norms"]) / norms).max()
        if not error <= (precision.tolerance(2 * WEIGHT_LAYERS) if rounded else GRADIENT_TOLERANCE):
            return f"the norm of a gradient differs from ours by {error:.1e} of itself"
    return None


NAME_WIDTH = 44  # or more, where a longer name is among those of a table
HEADER = f"{'ms':>9}{'p10-p90':>18}{'images/s':>10}{'peak GB':>9}{'ours / this':>13}{'95%':>15}"
BUSY_HEADER = f"{'quiet ms':>10}{'busy ms':>10}{'busy / quiet':>14}{'95%':>15}"


def line(result: Result, batch: int, width: int = NAME_WIDTH) -> str:
    sample = result.sample
    spread = f"{1e3 * sample.p10:.1f}-{1e3 * sample.p90:.1f}"
    middle, low, high = result.ratio
    peak = "-" if result.peak_bytes is None else f"{result.peak_bytes / 1e9:.2f}"
    return (
        f"{result.name:<{width}}{1e3 * sample.median:>9.1f}{spread:>18}"
        f"{batch / sample.median:>10.1f}{peak:>9}{middle:>13.2f}{interval(low, high):>15}"
    )


def busy_line(result: Result, width: int = NAME_WIDTH) -> str:
    middle, low, high = ratio(result.busy, result.sample)
    return (
        f"{result.name:<{width}}{1e3 * result.sample.median:>10.1f}"
        f"{1e3 * result.busy.median:>10.1f}{middle:>14.2f}{interval(low, high):>15}"
    )


def table(results: list[Result], batch: int, beside_busy: bool) -> list[str]:
    width = max(NAME_WIDTH, *(len(result.name) + 1 for result in results))
    if beside_busy:
        return [" " * width + BUSY_HEADER, *(busy_line(result, width) for result in results)]
    return [" " * width + HEADER, *(line(result, batch, width) for result in results)]


def groups_for(
    forms: list[str], has_norm: bool, precisions: tuple[str, ...] = (FLOAT32,)
) -> list[list[Entry]]:
    """Each form in each precision with either allocator, with and without the normalization.

    A group is timed together: all of them at once might not fit into memory. ONNX files have the
    network as it is, and onnxruntime has float32 alone.
    """
    groups = [
        [
            Entry(form, keeps_pages, without_norm, of_products)
            for form in forms
            for of_products in precisions
            if not (form in RUNTIMES and without_norm)
            and not (form == "onnxruntime" and of_products == BF16)
        ]
        for without_norm in ([False, True] if has_norm else [False])
        for keeps_pages in (False, True)
    ]
    return [group for group in groups if group] or [[]]


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.step",
        description="Time whole steps of this engine, of PyTorch and, for inference, of programs "
        "that run ONNX files, in turn, each in a process of its own.",
        epilog="With several precisions, ratios are those of the first one named.\n\n"
        "example: python -m benchmarks.step --arch owt --batch 32 --forms compiled",
    )
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--inference", action="store_true", help="only the forward pass")
    parser.add_argument(
        "--forms",
        nargs="*",
        choices=(*FORMS, *RUNTIMES),
        help="of PyTorch and, for inference, other programs; default: all that are installed",
    )
    precision.add_option(parser)
    parser.add_argument(
        "--busy",
        action="store_true",
        help="each form is timed twice in a round: alone, and beside a program that keeps one core "
        "busy",
    )
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    return parser


def _peers(
    arguments: argparse.Namespace, precisions: tuple[str, ...], has_torch: bool
) -> list[str]:
    """The forms to time; one that cannot be is named on stderr if it could have been expected."""
    forms = arguments.forms
    if forms is None:
        forms = [*FORMS, *(RUNTIMES if arguments.inference else [])]
    peers = []
    for form in forms:
        problem = obstacle(form, precisions, not arguments.inference)
        if problem:
            print(f"left out: {RUNTIMES[form]}: {problem}", file=sys.stderr)
        elif has_torch or form in RUNTIMES:
            peers.append(form)
    return peers


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    precisions = tuple(dict.fromkeys(arguments.precision))
    for of_products in precisions:
        require_available(of_products, backend.get("cpu"))

    torch = peer.import_torch()
    peers = _peers(arguments, precisions, torch is not None)
    others = {name: environment.package_version(name) for name in peers if name in RUNTIMES}
    about = machine.introduce(peer.versions(torch) | others)
    what = "inference" if arguments.inference else "training step"
    unnamed = "" if precisions == (FLOAT32,) else "; in float32 where a line names no precision"
    title = f"{what} of {arguments.arch}, batch {arguments.batch}, medians of {arguments.repeats}"
    print(title + unnamed)
    side = ARCHITECTURES[arguments.arch].default_image_size
    work = Work(arguments.arch, arguments.batch, side, not arguments.inference)
    ours = [Entry(OURS, precision=of_products) for of_products in precisions]
    results = []
    for group in groups_for(peers, arguments.arch == "alexnet", precisions):
        measured = measure([*ours, *group], work, arguments.repeats, arguments.busy)
        print("\n".join(["", *table(measured, arguments.batch, arguments.busy)]))
        names = {result.name for result in results}
        results += [result for result in measured if result.name not in names]
    report = {
        "kind": what,
        "arch": arguments.arch,
        "batch": arguments.batch,
        "about": about,
        "results": [result.report() for result in results],
    }
    save(report, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a contestant fails, 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
