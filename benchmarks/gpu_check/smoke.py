"""Whether anything works at all: imports, every CUDA source, a training step in each precision."""

import importlib
import time
from typing import Any

import numpy as np

from alexnet.model import AlexNet
from benchmarks.gpu_check import contestants
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table
from minigrad import Tensor, backend, manual_seed, no_grad, optim
from minigrad import functional as F
from minigrad.kernels import cuda as cuda_kernels
from minigrad.kernels import reference

# Type, and the largest share by which a loss may differ from the CPU's.
FORMS = {
    "float64": (np.float64, 1e-10),
    "float32": (np.float32, 1e-4),
    "tf32": (np.float32, 1e-2),
    "bf16": (np.float32, 2e-2),
}
# Narrow, but with channels that are copied 16 bytes at a time, and others that are not.
NETWORK = {"num_classes": 10, "image_size": 67, "width": 0.125}
BATCH = 2


def run(options: Options, report: Report) -> None:
    """Import, compile, train."""
    imports = {"cupy": _import("cupy")}
    report.result("imports", imports)
    backend.get("cuda")
    compiled = {}
    for path, source in cuda_kernels.sources().items():
        started = time.perf_counter()
        for dtype in source.types:
            source.compile(dtype)
        compiled[path] = time.perf_counter() - started
    report.result("compiled", compiled)
    losses = {}
    for name, (dtype, _) in FORMS.items():
        with contestants.multiplying_in(name):
            losses[name] = _losses("cuda", dtype)
        report.result("losses", losses)
    expected = _expected_losses()
    report.result("expected losses", expected)
    for name, (_, tolerance) in FORMS.items():
        difference = _difference(losses[name], expected)
        if not difference <= tolerance:
            report.problem(
                f"the loss before and after a step in {name}, {losses[name]}, is not the CPU's, "
                f"{expected}"
            )
    # In the same process as CuPy; last, because it takes long.
    report.result("imports", {**imports, "torch": _import("torch")})


def _import(package: str) -> float | str:
    """Seconds that it takes, or what is wrong with it."""
    started = time.perf_counter()
    try:
        importlib.import_module(package)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return time.perf_counter() - started


def _losses(device: str, dtype: type) -> list[float]:
    """Before a training step, and after it."""
    manual_seed(0)
    model = AlexNet(**NETWORK).to(dtype).to(device)
    optimizer = optim.SGD(model.parameters(), 0.01, 0.9, 5e-4)
    rng = np.random.default_rng(0)
    images = Tensor(rng.standard_normal((BATCH, 3, 67, 67)).astype(dtype)).to(device)
    labels = np.arange(BATCH)
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    with no_grad():
        return [loss.item(), F.cross_entropy(model(images), labels).item()]


def _expected_losses() -> list[float]:
    """By the reference kernels, which need not be compiled, as the fast ones for half a minute."""
    cpu = backend.get("cpu")
    usual, cpu.kernels = cpu.kernels, reference
    try:
        return _losses("cpu", np.float64)
    finally:
        cpu.kernels = usual


def _difference(losses: list[float], expected: list[float]) -> float:
    """The larger one, as a share; NaN where a loss is none."""
    return float(np.max(np.abs(np.subtract(losses, expected) / expected)))


def summary(results: dict[str, Any]) -> list[str]:
    """Imports and compilation in seconds, losses beside the CPU's."""
    imports = ", ".join(
        f"{name} {value:.1f} s" if isinstance(value, float) else f"{name}: {value}"
        for name, value in results["imports"].items()
    )
    compiled = results["compiled"]
    slowest = max(compiled, key=compiled.get)
    lines = [
        f"Imports: {imports}. All {len(compiled)} CUDA sources compiled in "
        f"{sum(compiled.values()):.1f} s, the slowest {slowest} with {compiled[slowest]:.1f} s."
    ]
    expected = results.get("expected losses", [])  # the last thing that is computed
    cells = [["CPU, float64", *(f"{loss:.9f}" for loss in expected), ""]] if expected else []
    for name, losses in results["losses"].items():
        difference = f"{_difference(losses, expected):.1e}" if expected else "-"
        cells.append([f"GPU, {name}", *(f"{loss:.9f}" for loss in losses), difference])
    return lines + table(["loss", "before a step", "after it", "difference"], cells)
