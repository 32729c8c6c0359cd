"""A real training on the GPU, and whether it begins as on the CPU."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table

MAX_TIME = "20s"  # of the training, which then stops by itself
LOOK_EVERY = 1.0  # seconds
CURVES = "training_curves.png"
# The first epoch of the demo set; by so much its loss may differ from the CPU's, as a share: TF32
# and another order of sums, which every step makes a little larger.
STEPS, SMALL_STEPS = 32, 5
TOLERANCE = 0.02
# In the emulator, which has no time for tensor cores and wide networks.
SMALL = ("--subset", "20", "--image-size", "67", "--epochs", "1", "--batch-size", "4")
SMALL_COMMAND = "tests.alexnet.narrow_train"


def run(options: Options, report: Report) -> None:
    """Train on the demo set, or on the images there are; begin the same on the CPU beside it."""
    root = Path(options.data_root)
    data = ("--data-root", str(root)) if root.is_dir() else ("--data", "demo")
    report.result("data", data[1])
    program = [sys.executable, "-m", SMALL_COMMAND if options.small else "alexnet.train"]
    command = [*program, *data, "--log-every", "1", *(SMALL if options.small else ())]
    steps = SMALL_STEPS if options.small else STEPS
    with tempfile.TemporaryDirectory() as name:
        on_gpu, on_cpu = Path(name) / "gpu", Path(name) / "cpu"
        cpu = _start([*command, "--max-steps", str(steps)], on_cpu)
        precision = "float32" if options.small else "tf32"
        command += ["--backend", "cuda", "--precision", precision, "--max-time", MAX_TIME]
        gpu = _start([*command, "--workers", str(options.workers)], on_gpu)
        report.result("command", " ".join(gpu.args))
        report.result("first losses on the CPU", [])
        code = None
        while code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = gpu.wait(LOOK_EVERY)
            report.result("epochs", _rows(on_gpu / "metrics.jsonl"))
            losses = [row["loss"] for row in _rows(on_gpu / "steps.jsonl")]
            report.result("first losses", losses[:steps])
        if (on_gpu / CURVES).exists():
            shutil.copyfile(on_gpu / CURVES, Path(options.out) / CURVES)
        if code:
            report.problem(f"the training on the GPU ended with exit code {code}")
            cpu.kill()
        code = cpu.wait()
        expected = [row["loss"] for row in _rows(on_cpu / "steps.jsonl")]
        report.result("first losses on the CPU", expected)
    if code or len(expected) != steps or len(losses) < steps:
        report.problem(
            f"{len(losses)} steps on the GPU, {len(expected)} on the CPU (exit code {code}): the "
            f"first {steps} cannot be compared"
        )
    elif not _difference(losses[:steps], expected) <= TOLERANCE:
        report.problem(
            f"the mean loss of the first {steps} steps differs from the CPU's by "
            f"{_difference(losses[:steps], expected):.1%}"
        )


def _start(command: list[str], folder: Path) -> subprocess.Popen:
    return subprocess.Popen([*command, "--out", str(folder)], stdin=subprocess.DEVNULL)


def _rows(file: Path) -> list[dict[str, Any]]:
    """The complete rows of a table that is being written."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]


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
        for row in results["epochs"]
    ]
    lines += table(header, cells)
    losses, expected = results["first losses"], results["first losses on the CPU"]
    if losses and len(losses) == len(expected):
        lines += [
            "",
            f"Mean loss of the first {len(losses)} steps: {np.mean(losses):.5f} on the GPU, "
            f"{np.mean(expected):.5f} on the CPU ({_difference(losses, expected):.2%} apart); the "
            f"first step: {losses[0]:.6f} and {expected[0]:.6f}.",
        ]
    return lines
