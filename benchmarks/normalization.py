"""``python -m benchmarks.normalization``: when does a response normalization normalize?

AlexNet learns from the demo set with three pairs of input scale and alpha. What its normalizations
do to validation images is measured before and after.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alexnet import cli
from alexnet.inference import layers, normalizations
from alexnet.inference.normalizations import Pairs
from alexnet.model import PAPER_NORM
from alexnet.style import LARGE, NORMAL, new_figure, save
from alexnet.training.build import build_trainer
from alexnet.training.options import new_run
from alexnet.training.trainer import Trainer
from alexnet.visualize.normalization_figures import described, draw_density
from benchmarks.report import writable
from minigrad import nn

# Of each training.
OPTIONS = {"image_size": 115, "epochs": 8}
IMAGES = 16
# A range of 0 to 255 becomes about -2 to 2, the unit size that the default start expects.
UNIT_SCALE = 1 / 64


class Setting(NamedTuple):
    """What decides whether it normalizes; alpha is that of `nn.LocalResponseNorm`."""

    name: str
    alpha: float
    scale: float
    init: str


PAPER_ALPHA = PAPER_NORM["alpha"]
SETTINGS = (
    Setting("the paper's alpha, gray levels", PAPER_ALPHA, 1.0, "code2012"),
    Setting("alpha / scale², gray levels / 64", PAPER_ALPHA / UNIT_SCALE**2, UNIT_SCALE, "default"),
    Setting("a usual copy: alpha=1e-4, gray levels / 64", 1e-4, UNIT_SCALE, "default"),
)


class Measured(NamedTuple):
    """What the normalizations do at the start and after the last epoch, and its accuracy."""

    setting: Setting
    start: list[Pairs]
    end: list[Pairs]
    top1: float


def measure(setting: Setting) -> Measured:
    """Train a network in this setting."""
    settings = new_run({**OPTIONS, "scale": setting.scale, "init": setting.init})
    with tempfile.TemporaryDirectory() as folder:
        trainer, _ = build_trainer(settings, lambda _: Path(folder))
        for layer in layers.named_layers(trainer.model).values():
            if isinstance(layer, nn.LocalResponseNorm):
                layer.alpha = setting.alpha
        start = _pairs(trainer)
        trainer.fit(settings.epochs)
        return Measured(setting, start, _pairs(trainer), trainer.log.rows[-1]["val_top1"])


def _pairs(trainer: Trainer) -> list[Pairs]:
    images, _ = layers.sample_batch(trainer.val_loader, IMAGES, trainer.backend)
    return list(normalizations.pairs(trainer.model, images))


def table(results: Sequence[Measured]) -> str:
    """A line for each normalization of each setting, before and after."""
    lines = []
    for result in results:
        lines.append(f"{result.setting.name} (top-1 {result.top1:.1%} after training)")
        for when, found in (("at the start", result.start), ("trained", result.end)):
            lines += [f"  {pairs.layer}, {when + ':':<14}{described(pairs)}" for pairs in found]
    return "\n".join(lines)


def draw(results: Sequence[Measured], path: Path) -> None:
    """Output over input after training: a row for each setting."""
    figure = new_figure(2.7 * len(results), width=10, layout="constrained")
    for row, result in zip(figure.subfigures(len(results)), results):
        row.suptitle(result.setting.name, x=0.01, ha="left", weight="bold", fontsize=LARGE)
        for axes, pairs in zip(row.subplots(1, len(result.end)), result.end):
            draw_density(axes, pairs)
            axes.set_title(f"{pairs.layer}: {described(pairs)}", fontsize=NORMAL, loc="left")
    save(figure, path)


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.normalization",
        description="Train AlexNet on the demo set with three pairs of input scale and alpha, and "
        f"show what its normalizations do to {IMAGES} validation images.",
    )
    parser.add_argument("--plot", type=writable, metavar="FILE", help="draw it as a PNG")
    arguments = parser.parse_args(argv)
    results = [measure(setting) for setting in SETTINGS]
    print(table(results))
    if arguments.plot:
        draw(results, arguments.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
