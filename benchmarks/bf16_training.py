"""``python -m benchmarks.bf16_training``: is training in bfloat16 as good as in float32?

It compares runs of `alexnet.train` that differ in precision and seed alone, by their last epoch,
so that no lucky epoch can be picked. The mean over the seeds is a share of the same images, so its
interval is that of so many images.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet import cli, load
from alexnet.errors import UsageError
from alexnet.inference.results import Estimate, proportion
from alexnet.precision import INFERENCE_PRECISIONS
from alexnet.run.checkpoint import LAST
from alexnet.run.folder import RUN_JSON, precisions
from alexnet.run.metrics import Row
from alexnet.style import COLORS, new_figure, plain, save, whole_numbers
from benchmarks import report
from benchmarks.precision import BF16, FLOAT32

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Settings that runs may differ in and still be compared.
FREE = {"seed", "precision"}
LOSSES = {"train_loss": "training loss", "val_loss": "validation loss"}


@dataclass(frozen=True)
class Run:
    """A complete run.

    Attributes:
        settings: by name, without those that runs may differ in.
        rows: one an epoch.
        images: for validation.
    """

    folder: Path
    precision: str
    seed: int
    settings: dict
    rows: list[Row]
    images: int

    @property
    def data(self) -> str:
        return self.settings["data"]

    @property
    def top1(self) -> float:
        return self.rows[-1]["val_top1"]


def read(folder: Path) -> Run:
    """A run from its folder.

    Raises:
        CheckpointError: there is no run.
        DataError: its images are not where they were.
        UsageError: it is not complete, or not in one of the precisions throughout.
    """
    network = load(folder / LAST)  # the best epoch may be from before the run was continued
    settings = dict(network.checkpoint.arguments)
    rows, epochs = network.metrics, settings.get("epochs")
    precision = ", then ".join(precisions(folder))
    if precision not in INFERENCE_PRECISIONS:
        raise UsageError(
            f"{folder} is no run in {FLOAT32} or {BF16}: {RUN_JSON} names "
            f"{precision or 'no precision'}"
        )
    if len(rows) != epochs:
        raise UsageError(
            f"{folder} has {len(rows)} of {epochs} epochs: continue it with "
            f"{cli.command('python -m alexnet.train', '--resume', folder)}"
        )
    kept = {name: value for name, value in settings.items() if name not in FREE}
    return Run(folder, precision, settings.get("seed"), kept, rows, len(network.dataset()))


def groups(runs: list[Run]) -> list[list[Run]]:
    """The runs by their data, the seeds in order.

    Raises:
        UsageError: runs cannot be compared.
    """
    found: dict[str, list[Run]] = {}
    for run in sorted(
        runs, key=lambda run: (run.data, INFERENCE_PRECISIONS.index(run.precision), run.seed)
    ):
        found.setdefault(run.data, []).append(run)
    for first, *others in found.values():
        for run in others:
            if different := [k for k, v in first.settings.items() if run.settings.get(k) != v]:
                raise UsageError(
                    f"{first.folder} and {run.folder} differ in {', '.join(different)}: give runs "
                    "that differ in --seed and --precision alone"
                )
        seeds = [
            [r.seed for r in (first, *others) if r.precision == p] for p in INFERENCE_PRECISIONS
        ]
        if seeds[0] != seeds[1] or len(set(seeds[0])) < len(seeds[0]):
            raise UsageError(
                f"the seeds of the runs with {first.data} are {_listed(seeds[0])} in {FLOAT32} and "
                f"{_listed(seeds[1])} in {BF16}: give one run for each seed and precision"
            )
    return list(found.values())


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def mean(runs: list[Run], value: Callable[[Run], float]) -> float:
    return statistics.fmean(map(value, runs))


def accuracy(runs: list[Run]) -> Estimate:
    """The mean top-1 of runs, with the interval of a share of as many images as one run has."""
    images, share = runs[0].images, mean(runs, lambda run: run.top1)
    return proportion(round(images * share), images)._replace(value=share)


HEADER = (
    f"{'data':<12}{'precision':<11}{'seed':>5}{'training loss':>15}{'validation loss':>17}"
    f"{'top-1':>8}   95% interval"
)


def lines(runs: list[Run]) -> list[str]:
    """A table of the runs with one data set: each, and the mean over the seeds."""
    found = []
    for precision in INFERENCE_PRECISIONS:
        chosen = [run for run in runs if run.precision == precision]
        for few, seed in (*(([run], run.seed) for run in chosen), (chosen, "mean")):
            losses = [mean(few, lambda run, name=name: run.rows[-1][name]) for name in LOSSES]
            share, interval = accuracy(few).percentages()
            found.append(
                f"{few[0].data:<12}{precision:<11}{seed:>5}{losses[0]:>15.3f}{losses[1]:>17.3f}"
                f"{share:>8}   {interval}"
            )
    return found


def draw(grouped: list[list[Run]], path: Path) -> None:
    """The losses of all epochs: thin lines for the seeds, and a thick one for their mean."""
    figure = new_figure(2.8 * len(grouped), layout="constrained")
    grid = figure.subplots(len(grouped), len(LOSSES), squeeze=False)
    for above, runs in zip(grid, grouped):
        for axes, (name, title) in zip(above, LOSSES.items()):
            _draw_losses(axes, runs, name)
            axes.set_title(f"{runs[0].data}, {title}", loc="left", fontsize=9)
            axes.set_xlabel("epoch")
            plain(axes)
            whole_numbers(axes.xaxis)
    grid[0, 0].legend(frameon=False)
    save(figure, path)


def _draw_losses(axes: Axes, runs: list[Run], name: str) -> None:
    for precision, color in zip(INFERENCE_PRECISIONS, COLORS):
        chosen = [run for run in runs if run.precision == precision]
        losses = [[row[name] for row in run.rows] for run in chosen]
        epochs = [row["epoch"] for row in chosen[0].rows]
        for values in losses:
            axes.plot(epochs, values, color=color, lw=0.6, alpha=0.6)
        label = f"{precision}, mean of {cli.counted(len(chosen), 'seed')}"
        means = [statistics.fmean(values) for values in zip(*losses)]
        axes.plot(epochs, means, color=color, lw=2, label=label)


def as_json(run: Run) -> dict:
    """What is known of a run, without where it lies."""
    return {
        "data": run.data,
        "precision": run.precision,
        "seed": run.seed,
        "images": run.images,
        "top1_interval": accuracy([run])[1:],
        "epochs": run.rows,
    }


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.bf16_training",
        description="Compare runs in float32 and in bf16 that have the same settings and seeds.",
        epilog="example: python -m benchmarks.bf16_training runs/demo-*",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, complete")
    report.add_json_option(parser)
    parser.add_argument(
        "--plot", type=report.writable, metavar="FILE", help="draw the losses as a PNG"
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    grouped = groups([read(folder) for folder in arguments.runs])
    print(HEADER)
    for runs in grouped:
        print("\n".join(lines(runs)))
    found = [as_json(run) for runs in grouped for run in runs]
    report.save({"kind": "bf16_training", "results": found}, arguments.json)
    if arguments.plot:
        draw(grouped, arguments.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 2 where runs cannot be compared, 7 where a file is not written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
