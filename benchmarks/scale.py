"""``python -m benchmarks.scale``: how the cost of a step grows with batch, image and threads.

``--processes`` computes, without measuring anything, how it grows with GPUs (`processes.py`).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet import cli
from alexnet.errors import Failed, UsageError
from alexnet.model import ARCHITECTURES, AlexNet
from alexnet.style import REFERENCE, TRAINING, VALIDATION, new_figure
from benchmarks import NETWORKS, machine, peer, processes
from benchmarks.contestant import OURS
from benchmarks.entry import Entry, Work, started
from benchmarks.report import add_json_option, save, writable
from benchmarks.timing import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BATCHES = (1, 7, 32, 100, 128)
SIDES = (67, 115, 163, 227)
SIDES_BATCH = 32
CORES = (1, 2, 4, 8, 16)
PROCESSES = (1, 8, 64, 1000)


@dataclass(frozen=True)
class Point:
    """The training step of one size on some threads."""

    batch: int
    side: int
    threads: int
    sample: Sample

    @property
    def name(self) -> str:
        return f"batch {self.batch}, {self.side} pixels, {self.threads} threads"


@dataclass(frozen=True)
class Model:
    """Seconds of a step of N images on T threads: fixed + update / T + N * (serial + work / T).

    `fixed` and `serial` are what more threads do not help: Python, and what is done on one thread.
    """

    fixed: float
    update: float
    serial: float
    work: float

    def seconds(self, batch: int, threads: int) -> float:
        return self.fixed + self.update / threads + batch * (self.serial + self.work / threads)


def fit(points: list[Point]) -> tuple[Model, float] | None:
    """The model of least squared relative errors, and its largest relative error.

    None where the points cannot tell the parts apart: with one batch size or one thread. No part
    may be negative: parts that would be are left out, the most negative first.
    """
    seconds = np.array([point.sample.median for point in points])
    terms = (
        np.array([[1, 1 / p.threads, p.batch, p.batch / p.threads] for p in points])
        / seconds[:, None]
    )
    if np.linalg.matrix_rank(terms) < 4:
        return None
    kept = [0, 1, 2, 3]
    while True:
        parts = np.zeros(4)
        parts[kept] = np.linalg.lstsq(terms[:, kept], np.ones(len(points)), rcond=None)[0]
        if parts.min() >= 0:
            return Model(*parts), float(np.abs(terms @ parts - 1).max())
        kept.remove(int(parts.argmin()))


def measure(arch: str, sizes: list[tuple[int, int, int]], repeats: int) -> list[Point]:
    """The times of 2 * `repeats` steps for each (batch, side, threads).

    Half of them on the way through the sizes and half on the way back, so that a slow minute of
    the machine does not look like the cost of one size.
    """
    seconds = {size: () for size in sizes}
    for size in (*sizes, *reversed(sizes)):
        batch, side, threads = size
        with started(Entry(OURS), Work(arch, batch, side, True), threads) as contestant:
            contestant.ask("step")
            contestant.ask("step")
            seconds[size] += tuple(contestant.ask("step") for _ in range(repeats))
    return [Point(*size, Sample(times)) for size, times in seconds.items()]


HEADER = f"{'batch':>6}{'pixels':>8}{'threads':>9}{'ms':>10}{'p10-p90':>18}{'images/s':>10}"


def line(point: Point) -> str:
    sample = point.sample
    spread = f"{1e3 * sample.p10:.1f}-{1e3 * sample.p90:.1f}"
    return (
        f"{point.batch:>6}{point.side:>8}{point.threads:>9}{1e3 * sample.median:>10.1f}"
        f"{spread:>18}{point.batch / sample.median:>10.1f}"
    )


def draw(points: list[Point], model: Model, side: int, path: Path) -> None:
    """Images a second over the batch and over the pixels, and what the model expects of cores.

    The expectation is extrapolated from the threads there are: memory that does not get faster
    with more cores is not in it.
    """
    figure = new_figure(4, width=12, layout="constrained")
    batches, pixels, cores = figure.subplots(1, 3)
    threads = sorted({point.threads for point in points})
    for count, color in zip(threads, (VALIDATION, TRAINING)):
        label = f"{count} thread" + "s" * (count > 1)
        chosen = [p for p in points if p.threads == count and p.side == side]
        rates = [p.batch / p.sample.median for p in chosen]
        batches.plot([p.batch for p in chosen], rates, "o", color=color, label=label)
        smooth = np.arange(1, max(p.batch for p in chosen) + 1)
        batches.plot(smooth, [b / model.seconds(b, count) for b in smooth], color=color, lw=1)
    _finish(batches, "images in a batch", f"{side} pixels; lines: the model")
    chosen = sorted(
        (p for p in points if p.threads == threads[-1] and p.batch == SIDES_BATCH),
        key=lambda p: p.side,
    )
    rates = [p.batch / p.sample.median for p in chosen]
    pixels.plot([p.side for p in chosen], rates, "o-", color=TRAINING, label=f"batch {SIDES_BATCH}")
    _finish(pixels, "height and width of an image", f"{threads[-1]} threads")
    most = max(point.batch for point in points)
    for batch, style in ((SIDES_BATCH, "--"), (most, "-")):
        rates = [batch / model.seconds(batch, count) for count in CORES]
        cores.plot(CORES, rates, style, color=REFERENCE, marker="o", ms=4, label=f"batch {batch}")
    _finish(cores, "cores", "What the model expects")
    figure.savefig(path, dpi=120)


def _finish(axes: Axes, xlabel: str, title: str) -> None:
    axes.set(xlabel=xlabel, title=title, ylabel="images/s", xlim=(0, None), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.legend(frameon=False)


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.scale",
        description="Time training steps over batch size, image size and threads, and fit a model.",
    )
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument(
        "--repeats",
        type=cli.count,
        default=3,
        metavar="N",
        help="half of the steps that count; default: 3",
    )
    parser.add_argument(
        "--batches", type=cli.count, nargs="+", default=BATCHES, metavar="N", help="of images"
    )
    parser.add_argument(
        "--processes",
        type=cli.count,
        nargs="*",
        metavar="N",
        help="measure nothing; a model of steps on N GPUs; default: 1 8 64 1000",
    )
    add_json_option(parser)
    parser.add_argument("--plot", type=writable, metavar="FILE", help="draw the figures as a PNG")
    arguments = parser.parse_args(argv)
    if arguments.processes is not None:
        return _model_of_processes(arguments)

    about = machine.introduce(peer.versions(peer.import_torch()))
    most = about["threads"]
    side = ARCHITECTURES[arguments.arch].default_image_size
    sizes = [(n, side, t) for t in sorted({1, most}) for n in arguments.batches]
    sizes += [(SIDES_BATCH, s, most) for s in (*SIDES, side)]
    sizes = list(dict.fromkeys(sizes))
    print(f"training step of {arguments.arch}, medians of {2 * arguments.repeats}\n")
    points = measure(arguments.arch, sizes, arguments.repeats)
    print("\n".join([HEADER, *map(line, points)]))
    fitted = fit([point for point in points if point.side == side])
    if fitted is None:
        raise Failed("a model needs two batch sizes and two threads")
    model, error = fitted
    print(
        f"\nms of a step of N images of {side} pixels on T threads, within {error:.0%}:\n"
        f"    {1e3 * model.fixed:.1f} + {1e3 * model.update:.1f} / T "
        f"+ N * ({1e3 * model.serial:.2f} + {1e3 * model.work:.2f} / T)"
    )
    report = {
        "kind": "scale",
        "arch": arguments.arch,
        "batch": None,
        "about": about,
        "results": [{"name": p.name, "seconds": p.sample.seconds} for p in points],
    }
    if arguments.plot:
        draw(points, model, side, arguments.plot)
    save(report, arguments.json)
    return 0


def _model_of_processes(arguments: argparse.Namespace) -> int:
    if arguments.json or arguments.plot:
        raise UsageError("--json and --plot keep what is measured; --processes measures nothing")
    architecture = ARCHITECTURES[arguments.arch]
    if architecture is not AlexNet:
        raise UsageError("--processes is for --arch alexnet, whose step on a GPU was measured")
    counts = arguments.processes or list(PROCESSES)
    full = processes.GPUS_PER_NODE
    if parted := [count for count in counts if count > full and count % full]:
        raise UsageError(
            f"--processes {parted[0]}: the model has nodes of {full} GPUs; give up to {full}, or a "
            f"multiple of {full}"
        )
    print(processes.report(AlexNet(), architecture.default_image_size, counts))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a step fails, 7 where a file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
