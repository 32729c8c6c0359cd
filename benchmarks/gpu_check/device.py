"""What the check runs on; the first thing that is tried."""

import shutil
import subprocess

from alexnet.run import environment
from benchmarks.gpu_check.part import Options, Report
from minigrad import BackendError, backend

PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "torch", "triton", "safetensors", "pillow", "pytest")


def run(options: Options, report: Report) -> None:
    """Name the device, its driver, and the versions of what is installed."""
    try:
        device = backend.get("cuda")
    except BackendError as error:
        report.problem(str(error))
        return
    report.result("device", device.describe())
    report.result("driver", _driver() or device.xp.cuda.runtime.driverGetVersion())
    report.result("memory", f"{device.xp.cuda.Device().mem_info[1] / 2**30:.0f} GiB")
    report.result("cupy", device.xp.__version__)
    found = {**environment.versions(), **environment.machine()}
    found |= {name: environment.package_version(name) for name in PACKAGES}
    found["gcc"] = shutil.which("gcc")  # without which PyTorch compiles nothing
    for name, value in found.items():
        if value is not None:
            report.result(name, value)


def _driver() -> str | None:
    """The driver's version as NVIDIA's tool names it, and the clocks and limits of the moment."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = "driver_version,clocks.sm,clocks.mem,power.limit,temperature.gpu"
    command = [tool, f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip().splitlines()[0] if result.stdout.strip() else None
