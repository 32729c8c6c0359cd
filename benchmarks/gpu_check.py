"""``python -m benchmarks.gpu_check``: everything there is to know on a machine with a GPU.

The tests of the backend "cuda" on the device instead of in the emulator, the same under
compute-sanitizer, the time of each layer and of whole steps against PyTorch, and a real training.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from alexnet import environment
from alexnet.model import ARCHITECTURES
from benchmarks import gpu, peer
from benchmarks.report import positive
from minigrad import BackendError, backend

TESTS = (
    "tests/test_cuda.py",
    "tests/kernels",
    "tests/test_gradients.py",
    "tests/test_adjoint.py",
    "tests/test_backends.py",
    "tests/alexnet/test_train_cuda.py",
)
# A few of every kernel: a sanitizer makes them some hundred times slower.
SANITIZED_TESTS = (
    "tests/test_cuda.py",
    "tests/kernels/test_pooling.py",
    "tests/kernels/test_bias.py",
)
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")


def _pytest(tests: tuple[str, ...], *prefix: str) -> dict[str, Any]:
    """Run the tests of the backend on the device; how it ended."""
    # A warning of another version of a library is no fault of the kernels.
    options = ["--gpu", "-W", "default", "-k", "cuda and not random"]
    command = [*prefix, sys.executable, "-m", "pytest", *options, *tests]
    started = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    lines = (result.stdout + result.stderr).splitlines()
    summary = [
        line for line in lines if re.search(r"\d+ (passed|failed|error)|ERROR SUMMARY", line)
    ]
    print("\n".join(summary[-2:]), flush=True)
    return {
        "command": " ".join(command),
        "exit_code": result.returncode,
        "seconds": time.perf_counter() - started,
        "summary": summary,
        "tail": [] if result.returncode == 0 else lines[-60:],
    }


def _tests(options: argparse.Namespace) -> dict[str, Any]:
    return _pytest(TESTS)


def _sanitizer(name: str, options: argparse.Namespace) -> dict[str, Any]:
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        print("compute-sanitizer is not installed")
        return {"missing": "compute-sanitizer"}
    # CuPy asks the driver for attributes that it does not have; that is no error of ours.
    arguments = ("--tool", name, "--report-api-errors", "no", "--error-exitcode", "99")
    return _pytest(SANITIZED_TESTS, tool, *arguments)


def _layers(options: argparse.Namespace) -> list[dict[str, Any]]:
    timings = gpu.time_layers(
        options.arch, options.batch, options.image_size, options.repeats, peer.import_torch()
    )
    _print_table(timings)
    return [timing.report() for timing in timings]


def _steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    reports = []
    for batch in (options.batch, 2 * options.batch):
        timings = gpu.time_steps(
            options.arch, batch, options.image_size, options.repeats, peer.import_torch()
        )
        _print_table(timings)
        reports += [timing.report() for timing in timings]
    return reports


def _print_table(timings: list[gpu.Timing]) -> None:
    """A line for each name, a column for each contestant, in ms."""
    names = list(dict.fromkeys(timing.name for timing in timings))
    contestants = list(dict.fromkeys(timing.contestant for timing in timings))
    medians = {(t.name, t.contestant): 1e3 * t.sample.median for t in timings}
    print("ms" + " " * 28 + "".join(f"{name:>{len(name) + 2}}" for name in contestants))
    for name in names:
        cells = (
            f"{medians[name, contestant]:>{len(contestant) + 2}.3f}" for contestant in contestants
        )
        print(f"{name:<30}" + "".join(cells), flush=True)


def _training(options: argparse.Namespace) -> dict[str, Any]:
    """CIFAR-10, all 50,000 images, in TF32."""
    folder = Path(options.out) / "cifar10"
    command = [
        *(sys.executable, "-m", "alexnet.train", "--backend", "cuda", "--precision", "tf32"),
        *("--data", "cifar10", "--data-root", options.data_root, "--batch-size", "128"),
        *("--workers", str(options.workers), "--out", str(folder)),
    ]
    started = time.perf_counter()
    result = subprocess.run(command)
    rows = [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "command": " ".join(command),
        "exit_code": result.returncode,
        "seconds": time.perf_counter() - started,
        "epochs": rows,
    }


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "tests": _tests,
    **{name: partial(_sanitizer, name) for name in SANITIZERS},
    "layers": _layers,
    "step": _steps,
    "training": _training,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--arch", choices=ARCHITECTURES, default="alexnet")
    parser.add_argument("--batch", type=positive, default=128, metavar="N", help="default: 128")
    parser.add_argument("--image-size", type=positive, default=227, metavar="PIXELS")
    parser.add_argument("--repeats", type=positive, default=10, metavar="N", help="default: 10")
    parser.add_argument("--workers", type=positive, default=8, metavar="N", help="of the training")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="of CIFAR-10")
    parser.add_argument("--out", default="runs/gpu_check", metavar="DIR", help="for all results")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code: 1 where a test or the training fails."""
    options = _parser().parse_args(argv)
    try:
        device = backend.get("cuda")
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 8
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "device": device.describe(),
        "driver": device.xp.cuda.runtime.driverGetVersion(),
        "environment": {**environment.versions(), **environment.machine()},
        "cupy": device.xp.__version__,
        "torch": environment.package_version("torch"),
    }
    for name in options.parts:
        print(f"\n== {name} on {device.describe()}", flush=True)
        report[name] = PARTS[name](options)
        # After each part: what is measured is kept, whatever happens to the next.
        (out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n")
    parts = [report[name] for name in options.parts]
    return int(any(part.get("exit_code", 0) for part in parts if isinstance(part, dict)))


if __name__ == "__main__":
    sys.exit(main())
