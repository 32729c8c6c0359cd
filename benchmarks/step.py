"""``python -m benchmarks.step``: a training step, or inference, against PyTorch in three forms."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.model import ARCHITECTURES
from benchmarks import machine, peer
from benchmarks.contestant import FORMS, OURS
from benchmarks.report import add_json_option, save
from benchmarks.timing import Sample, interleaved, interval, ratio

SCORE_TOLERANCE = 1e-4
# Where two pixels are nearly equal or an activation is nearly zero, rounding decides, and a
# gradient takes another way.
GRADIENT_TOLERANCE = 1e-2
# By default the allocator of Linux gives freed memory back and PyTorch pays for every page again in
# every step. These settings keep it.
KEEP_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


@dataclass(frozen=True)
class Entry:
    """A line of the table: this engine, or PyTorch in one form with one allocator."""

    form: str
    keeps_pages: bool = False
    without_norm: bool = False

    @property
    def name(self) -> str:
        if self.form == OURS:
            return OURS
        norm = ", no norm" if self.without_norm else ""
        return f"PyTorch {self.form}{norm}" + (", keeps pages" if self.keeps_pages else "")


@dataclass(frozen=True)
class Result:
    """What one contestant did; `ratio` is our median over its, with a 95% confidence interval."""

    name: str
    sample: Sample
    peak_bytes: int | None
    ratio: tuple[float, float, float]

    def report(self) -> dict[str, Any]:
        """For the file that `--json` writes."""
        return {
            "name": self.name,
            "seconds": self.sample.seconds,
            "peak_bytes": self.peak_bytes,
            "ratio": self.ratio,
        }


class Contestant:
    """The process that takes the steps."""

    def __init__(self, process: subprocess.Popen):
        self.process = process

    def ask(self, word: str):
        """The answer to "check", "step" or "peak"."""
        try:
            print(word, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Failed(f"a contestant ended with exit code {self.process.wait()}, see above")
        return json.loads(answer)


class Failed(Exception):
    """A contestant that does not run."""


@dataclass(frozen=True)
class Work:
    """What every contestant does."""

    arch: str
    size: int
    side: int
    training: bool


@contextmanager
def started(
    entry: Entry, work: Work, threads: int | None = None, cache: str | None = None
) -> Iterator[Contestant]:
    """The process of a contestant; it ends with the context.

    Args:
        threads: of our engine; default: all.
        cache: folder of the compiled kernels; default: where they always are.
    """
    options = {"form": entry.form, "without_norm": entry.without_norm, **asdict(work)}
    command = [sys.executable, "-m", "benchmarks.contestant", json.dumps(options)]
    environment = os.environ | (KEEP_PAGES if entry.keeps_pages else {})
    if threads:
        environment["NUMBA_NUM_THREADS"] = str(threads)
    if cache:
        environment |= {"NUMBA_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache}
    with answering(command, environment) as contestant:
        yield contestant


@contextmanager
def answering(
    command: list[str], environment: Mapping[str, str] = os.environ
) -> Iterator[Contestant]:
    """The process of a command that answers words on stdin; it ends with the context."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            yield Contestant(process)
        finally:
            process.stdin.close()


def measure(entries: list[Entry], work: Work, repeats: int) -> list[Result]:
    """Let all contestants take turns; the first entry is ours, the others are compared with it.

    One that computes something else is named on stderr and left out.

    Raises:
        Failed: a contestant cannot run.
    """
    with ExitStack() as stack:
        contestants = [stack.enter_context(started(entry, work)) for entry in entries]
        checks = [contestant.ask("check") for contestant in contestants]
        turns = list(zip(entries, contestants))
        for turn, check in zip(turns[1:], checks[1:]):
            # Without the normalization it is another network, with nothing to compare it to.
            problem = None if turn[0].without_norm else _difference(check, checks[0])
            if problem:
                print(f"not timed: {turn[0].name}: {problem}", file=sys.stderr)
                turns.remove(turn)
        entries, contestants = zip(*turns)
        samples = interleaved([lambda c=c: c.ask("step") for c in contestants], repeats)
        peaks = [contestant.ask("peak") for contestant in contestants]
    return [
        Result(entry.name, sample, peak, ratio(samples[0], sample))
        for entry, sample, peak in zip(entries, samples, peaks)
    ]


def _difference(check: dict, ours: dict) -> str | None:
    """What differs by more than rounding, in words."""
    scores, norms = np.array(ours["scores"]), np.array(ours["norms"])
    error = np.abs(scores - check["scores"]).max() / np.abs(scores).max()
    if not error <= SCORE_TOLERANCE:
        return f"class scores differ from ours by {error:.1e} of the largest"
    if len(norms):
        error = (np.abs(norms - check["norms"]) / norms).max()
        if not error <= GRADIENT_TOLERANCE:
            return f"the norm of a gradient differs from ours by {error:.1e} of itself"
    return None


HEADER = (
    f"{'':<44}{'ms':>9}{'p10-p90':>18}{'images/s':>10}{'peak GB':>9}{'ours / this':>13}{'95%':>15}"
)


def line(result: Result, batch: int) -> str:
    sample = result.sample
    spread = f"{1e3 * sample.p10:.1f}-{1e3 * sample.p90:.1f}"
    middle, low, high = result.ratio
    peak = "-" if result.peak_bytes is None else f"{result.peak_bytes / 1e9:.2f}"
    return (
        f"{result.name:<44}{1e3 * sample.median:>9.1f}{spread:>18}{batch / sample.median:>10.1f}"
        f"{peak:>9}{middle:>13.2f}{interval(low, high):>15}"
    )


def groups_for(forms: list[str], has_norm: bool) -> list[list[Entry]]:
    """PyTorch's forms with either allocator, with and without the normalization.

    A group is timed together: all of them at once might not fit into memory.
    """
    return [
        [Entry(form, keeps_pages, without_norm) for form in forms]
        for without_norm in ([False, True] if has_norm else [False])
        for keeps_pages in (False, True)
    ]


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.step",
        description="Time whole steps of this engine and of PyTorch, in turn, each in a process "
        "of its own.",
        epilog="example: python -m benchmarks.step --arch owt --batch 32 --forms compiled",
    )
    parser.add_argument("--arch", choices=ARCHITECTURES, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--inference", action="store_true", help="only the forward pass")
    parser.add_argument(
        "--forms", nargs="*", choices=FORMS, default=list(FORMS), help="of PyTorch; default: all"
    )
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    arguments = parser.parse_args(argv)

    torch = peer.import_torch()
    about = machine.introduce(torch)
    what = "inference" if arguments.inference else "training step"
    print(f"{what} of {arguments.arch}, batch {arguments.batch}, medians of {arguments.repeats}")
    side = ARCHITECTURES[arguments.arch].default_image_size
    work = Work(arguments.arch, arguments.batch, side, not arguments.inference)
    groups = groups_for(arguments.forms, arguments.arch == "alexnet") if torch else [[]]
    results = []
    for group in groups:
        try:
            measured = measure([Entry(OURS), *group], work, arguments.repeats)
        except Failed as error:
            cli.say(f"error: {error}")
            return 1
        print("\n".join(["", HEADER, *(line(result, arguments.batch) for result in measured)]))
        results += measured[1:] if results else measured
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
