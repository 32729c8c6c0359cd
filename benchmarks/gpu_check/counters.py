"""What bounds the kernels of a step: hardware counters, read by NVIDIA's Nsight Compute (ncu).

python -m benchmarks.gpu_check.counters    a step of the network, for ncu to look at
"""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import contestants
from benchmarks.gpu_check.contestants import Ours
from benchmarks.gpu_check.part import Options, Report, wait
from benchmarks.gpu_check.record import table

KERNELS = "regex:implicit_gemm|weight_gradient|local_response_norm|bias_partial|relu|sgd"
LAUNCHES = 20  # that are looked at: ncu tells no counter before it is done with all
SHOWN = 3  # messages of ncu, the last ones, which tell how far it has come
SECTIONS = ("SpeedOfLight", "Occupancy", "LaunchStats")
# Columns of the summary: the metric as ncu names it, and a factor for its unit.
COLUMNS = {
    "ms": ("Duration", 1e-6),
    "arithmetic %": ("Compute (SM) Throughput", 1),
    "memory %": ("Memory Throughput", 1),
    "DRAM %": ("DRAM Throughput", 1),
    "L2 %": ("L2 Cache Throughput", 1),
    "occupancy %": ("Achieved Occupancy", 1),
    "registers": ("Registers Per Thread", 1),
}


def run(options: Options, report: Report) -> None:
    """One step in TF32 under ncu."""
    program = shutil.which("ncu")
    if program is None:
        report.problem("ncu is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ncu.csv"
        log.touch()

        def text() -> str:
            return log.read_text(encoding="utf-8", errors="replace")

        process = subprocess.Popen(_command(program, log, options), stdin=subprocess.DEVNULL)
        code = wait(process, lambda: report.result("ncu says", _messages(text())[-SHOWN:]))
        launches, messages = parse(text()), _messages(text())
    report.result("launches", launches)
    if code or not launches:
        errors = [line for line in messages if line.startswith(("==ERROR", "==WARNING"))]
        why = f": {errors[0]}" if errors else ""
        report.problem(f"ncu looked at {len(launches)} kernels and ended with code {code}{why}")


def _command(program: str, log: Path, options: Options) -> list[str]:
    command = [program, "--config-file", "off", "--target-processes", "all"]
    command += ["--kernel-name-base", "function", "--kernel-name", KERNELS]
    command += ["--launch-count", str(LAUNCHES), "--clock-control", "none"]
    for section in SECTIONS:
        command += ["--section", section]
    command += ["--page", "details", "--csv", "--print-units", "base", "--log-file", str(log)]
    return [*command, sys.executable, "-m", __spec__.name, json.dumps(asdict(options))]


def _messages(text: str) -> list[str]:
    return [line[:160] for line in text.splitlines() if line.startswith("==")]


def parse(text: str) -> list[dict[str, Any]]:
    """Name and metrics of each launch, from what ``ncu --page details --csv`` writes."""
    lines = text.splitlines()
    header = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    launches: dict[str, dict[str, Any]] = {}
    for row in csv.DictReader(lines[header:]):
        metric, value = row.get("Metric Name"), row.get("Metric Value")
        if not metric or not value:  # a rule, or ncu's own messages between the lines
            continue
        launch = launches.setdefault(row["ID"], {"name": row["Kernel Name"]})
        try:
            launch[metric] = float(value.replace(",", ""))
        except ValueError:
            launch[metric] = value
    return list(launches.values())


def summary(results: dict[str, Any]) -> list[str]:
    """A row for each launch, in the order of the step."""
    if not results.get("launches"):
        said = results.get("ncu says") or ["nothing"]
        return ["No counters. The last that ncu said:", "", *("    " + line for line in said)]
    rows = []
    for launch in results["launches"]:
        row = [launch["name"].removeprefix("void ").partition("(")[0]]
        for metric, factor in COLUMNS.values():
            value = launch.get(metric)
            row.append(f"{factor * value:.3g}" if isinstance(value, float) else "-")
        rows.append(row)
    about = "One step in TF32, each kernel alone with empty caches; shares of what the GPU can do."
    return [about, *table(["kernel", *COLUMNS], rows)]


def _one_step(options: Options) -> None:
    """For ncu to look at."""
    arch = options.architectures[0]
    ours = Ours(contestants.network(arch, options), "tf32")
    ours.take(*contestants.batch(options.batch, contestants.image_size(arch, options)))
    ours.step()
    ours.synchronize()


if __name__ == "__main__":
    _one_step(Options(**json.loads(sys.argv[1])))
