"""``python -m benchmarks.trace``: what a trace costs, and whether its spans add up to the step."""

import argparse
import sys
import time
from typing import Any

import numpy as np

import minigrad as mg
from alexnet import cli
from alexnet.errors import Failed
from alexnet.model import ARCHITECTURES
from benchmarks import NETWORKS, machine
from benchmarks.budget import SGD
from benchmarks.report import add_json_option, save
from benchmarks.timing import Sample, interleaved, interval, ratio
from minigrad import functional as F
from minigrad import optim

# Of a step, that its spans may miss.
TOLERANCE = 0.1


class Steps:
    """Training steps of a network, with and without a trace."""

    def __init__(self, arch: str, batch: int):
        self.model = ARCHITECTURES[arch](init="torch")
        side = ARCHITECTURES[arch].default_image_size
        rng = np.random.default_rng(0)
        self.images = mg.Tensor(rng.standard_normal((batch, 3, side, side), np.float32))
        self.labels = np.arange(batch) % 1000
        self.optimizer = optim.SGD(self.model.parameters(), **SGD)
        self.sums: list[float] = []

    def plain(self) -> float:
        """Seconds of a step without a trace."""
        started = time.perf_counter()
        self._step()
        return time.perf_counter() - started

    def traced(self) -> float:
        """Seconds of a step within a trace, the sum of whose spans is kept."""
        with mg.trace() as trace:
            seconds = self.plain()
        self.sums.append(trace.table.seconds)
        return seconds

    def _step(self) -> None:
        F.cross_entropy(self.model(self.images), self.labels).backward()
        self.optimizer.step()
        self.model.zero_grad()


def measure(steps: Steps, repeats: int) -> dict[str, Sample]:
    """A step without a trace, within one, and the sum of the spans, in the same rounds."""
    plain, traced = interleaved([steps.plain, steps.traced], repeats)
    return {"plain": plain, "traced": traced, "sum": Sample(tuple(steps.sums[-repeats:]))}


def _require_whole(samples: dict[str, Sample]) -> None:
    share = samples["sum"].median / samples["traced"].median
    if not 1 - TOLERANCE <= share <= 1 + TOLERANCE:
        raise Failed(f"the spans are {share:.0%} of the step that they are of, expected 90 to 110%")


def _line(name: str, sample: Sample, plain: Sample) -> str:
    middle, low, high = ratio(sample, plain)
    spread = f"{1e3 * sample.p10:.1f}-{1e3 * sample.p90:.1f}"
    return (
        f"{name:<24}{1e3 * sample.median:>9.1f}{spread:>18}{middle:>10.3f}{interval(low, high):>12}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.trace",
        description="Time a training step without a trace and within one, in turn, and add up the "
        "spans of the trace.",
        epilog="example: python -m benchmarks.trace --arch owt --batch 32",
    )
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    about: dict[str, Any] = machine.describe()
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    print(
        f"training step of {arguments.arch}, batch {arguments.batch}, "
        f"medians of {arguments.repeats}\n\n"
        f"{'':<24}{'ms':>9}{'p10-p90':>18}{'/ plain':>10}{'95%':>12}"
    )
    samples = measure(Steps(arguments.arch, arguments.batch), arguments.repeats)
    titles = {"plain": "without a trace", "traced": "within a trace", "sum": "sum of its spans"}
    for name, title in titles.items():
        print(_line(title, samples[name], samples["plain"]))
    report = {
        "kind": "trace",
        "arch": arguments.arch,
        "batch": arguments.batch,
        "about": about,
        "results": [{"name": name, "seconds": s.seconds} for name, s in samples.items()],
    }
    save(report, arguments.json)
    _require_whole(samples)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where the spans do not add up, 7 where no file can be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
