"""What the check runs on; the first thing that is tried."""

import shutil
import subprocess

from alexnet.run import environment
from benchmarks.gpu_check.part import Options, Report
from minigrad import BackendError, backend

PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "torch", "triton", "safetensors", "pillow", "pytest")

# What nvidia-smi is asked for, and how its answer is written.
DRIVER = {
    "driver_version": "{}",
    "clocks.sm": "multiprocessors {}",
    "clocks.mem": "memory {}",
    "power.limit": "power limit {}",
    "temperature.gpu": "temperature {} °C",
}


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
    """The driver's version as NVIDIA's tool names it, and clocks, limit and heat of the moment."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, f"--query-gpu={','.join(DRIVER)}", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if not result.stdout.strip():
        return None
    values = result.stdout.splitlines()[0].split(", ")
    return ", ".join(text.format(value) for text, value in zip(DRIVER.values(), values))
