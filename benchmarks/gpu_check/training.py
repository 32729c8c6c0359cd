"""A real training on the GPU, and whether it begins as on the CPU."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_check.part import Options, Report, wait
from benchmarks.gpu_check.record import table

# Of the training: a time would be over before its first step where all kernels must be compiled.
EPOCHS = 3
CURVES = "training_curves.png"
# The first epoch of the demo set; by so much its loss may differ from the CPU's, as a share: TF32
# and another order of sums, which every step makes a little larger.
STEPS, SMALL_STEPS = 32, 5
TOLERANCE = 0.02
# In the emulator, which has no time for tensor cores and wide networks.
SMALL = ("--subset", "20", "--image-size", "67", "--epochs", "1", "--batch-size", "4")
SMALL_COMMAND = "tests.alexnet.narrow_train"


def run(options: Options, report: Report) -> None:
    """Train on the demo set, or on the images there are; then begin the same on the CPU.

    One after the other: a training on the CPU takes all cores, and those that load the images of
    the GPU's are among them.
    """
    root = Path(options.data_root)
    data = ("--data-root", str(root)) if root.is_dir() else ("--data", "demo")
    report.result("data", data[1])
    program = [sys.executable, "-m", SMALL_COMMAND if options.small else "alexnet.train"]
    command = [*program, *data, "--log-every", "1", *(SMALL if options.small else ())]
    steps = SMALL_STEPS if options.small else STEPS
    with tempfile.TemporaryDirectory() as name:
        losses = _train_on_gpu(command, steps, Path(name) / "gpu", options, report)
        report.progress("the training on the GPU has ended")
        expected = _train_on_cpu(command, steps, Path(name) / "cpu", report)
    if len(losses) != steps or len(expected) != steps:
        report.problem(
            f"{len(losses)} steps on the GPU, {len(expected)} on the CPU: the first {steps} cannot "
            "be compared"
        )
    elif not _difference(losses, expected) <= TOLERANCE:
        report.problem(
            f"the mean loss of the first {steps} steps differs from the CPU's by "
            f"{_difference(losses, expected):.1%}"
        )


def _train_on_gpu(
    command: list[str], steps: int, folder: Path, options: Options, report: Report
) -> list[float]:
    """The losses of the first steps."""
    # The small one ends after an epoch, however long a busy CPU takes for it.
    how = ("float32",) if options.small else ("tf32", "--epochs", str(EPOCHS))
    command = [*command, "--backend", "cuda", "--precision", *how]
    command += ["--workers", str(options.workers)]
    process = _start(command, folder)
    report.result("command", " ".join(process.args))

    def look() -> None:
        report.result("epochs", _rows(folder / "metrics.jsonl"))
        report.result("first losses", _first_losses(folder, steps))

    code = wait(process, look)
    if (folder / CURVES).exists():
        shutil.copyfile(folder / CURVES, Path(options.out) / CURVES)
    if code:
        report.problem(f"the training on the GPU ended with exit code {code}")
    return _first_losses(folder, steps)


def _train_on_cpu(command: list[str], steps: int, folder: Path, report: Report) -> list[float]:
    """The losses of the first steps, after which it ends."""
    code = wait(
        _start([*command, "--max-steps", str(steps)], folder),
        lambda: report.result("first losses on the CPU", _first_losses(folder, steps)),
    )
    if code:
        report.problem(f"the training on the CPU ended with exit code {code}")
    return _first_losses(folder, steps)


def _start(command: list[str], folder: Path) -> subprocess.Popen:
    return subprocess.Popen([*command, "--out", str(folder)], stdin=subprocess.DEVNULL)


def _rows(file: Path) -> list[dict[str, Any]]:
    """The complete rows of a table that is being written."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]


def _first_losses(folder: Path, steps: int) -> list[float]:
    return [row["loss"] for row in _rows(folder / "steps.jsonl")][:steps]


def _difference(losses: list[float], expected: list[float]) -> float:
    return abs(float(np.mean(losses)) / float(np.mean(expected)) - 1)


def summary(results: dict[str, Any]) -> list[str]:
    """The epochs, and the first steps beside the CPU's."""
    lines = [f"On {results['data']}: `{results['command']}`"]
    header = ["epoch", "loss", "validation loss", "top-1", "top-5", "images/s", "seconds"]
    cells = [
        [
            *(row["epoch"], f"{row['train_loss']:.3f}", f"{row['val_loss']:.3f}"),
            *(f"{row['val_top1']:.1%}", f"{row['val_top5']:.1%}"),
            *(f"{row['images_per_s']:.0f}", f"{row['seconds']:.1f}"),
        ]
        for row in results.get("epochs", [])
    ]
    lines += table(header, cells)
    expected = results.get("first losses on the CPU", [])
    losses = results.get("first losses", [])[: len(expected)]
    if losses and len(losses) == len(expected):
        lines += [
            "",
            f"Mean loss of the first {len(losses)} steps: {np.mean(losses):.5f} on the GPU, "
            f"{np.mean(expected):.5f} on the CPU ({_difference(losses, expected):.2%} apart); the "
            f"first step: {losses[0]:.6f} and {expected[0]:.6f}.",
        ]
    return lines
