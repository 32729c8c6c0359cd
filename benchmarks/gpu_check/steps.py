"""Training steps of this engine and of PyTorch, in turn, and what each kernel of a step takes."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.gpu_check import contestants, kernel_times
from benchmarks.gpu_check.contestants import Contestant, Ours, Torch
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table
from benchmarks.timing import interleaved

# Of PyTorch: kind of products, and whether normalization is left out.
FORMS = (("float32", False), ("tf32", False), ("bf16", False), ("tf32", True), ("bf16", True))
KERNELS_SHOWN = 12


def run(options: Options, report: Report) -> None:
    """Both networks with a batch and with twice as many images; a profile of the first."""
    torch, why_not = contestants.usable_torch()
    if torch is None:
        report.problem(why_not)
    for arch in options.architectures:
        network = contestants.network(arch, options)
        has_norm = any(type(m).__name__ == "LocalResponseNorm" for _, m in network.named_modules())
        forms = [form for form in FORMS if has_norm or not form[1]] if torch else []
        entrants: list[Contestant] = [Ours(network, name) for name in contestants.PRECISIONS]
        entrants += [Torch(torch, network, kind, without_norm) for kind, without_norm in forms]
        side = contestants.image_size(arch, options)
        for size in (options.batch, 2 * options.batch):
            for entrant in entrants:
                entrant.take(*contestants.batch(size, side))
            if size == options.batch:
                differences = compare(entrants, {}, report)
            results = measure(entrants, options)
            for result, difference in zip(results, differences):
                result["difference"] = difference
            report.result(f"{arch}, batch {size}", results)
            if size == options.batch and torch:
                _profile(torch, arch, entrants, report)


def compare(
    entrants: list[Contestant], expected: dict[bool, list[float]], report: Report
) -> list[float]:
    """By how much the gradients differ, of the same weights and images; more than rounding is a
    problem.

    Args:
        expected: norms of the gradients of the network with normalization (False) and of that
            without (True); where there are none yet, those of the first that comes.
    """
    differences = []
    for entrant in entrants:
        norms = entrant.gradient_norms()
        reference = expected.setdefault(entrant.without_norm, norms)
        difference = contestants.difference(norms, reference)
        if not difference <= entrant.tolerance:
            report.problem(
                f"{entrant.name}: the norm of a gradient differs by {difference:.0%} from that in "
                "the first row of the same network"
            )
        differences.append(difference)
    return differences


def measure(entrants: list[Contestant], options: Options) -> list[dict[str, Any]]:
    """Times and memory of all, which take turns."""
    peaks = [entrant.peak_of_step() for entrant in entrants]
    takes = [partial(entrant.sample, options.calls) for entrant in entrants]
    samples = interleaved(takes, options.repeats)
    return [
        {
            "name": entrant.name,
            "peak_bytes": peak,
            "seconds": sample.seconds,
            "host_seconds": entrant.host_seconds[-options.repeats :],
        }
        for entrant, peak, sample in zip(entrants, peaks, samples)
    ]


def _profile(torch: ModuleType, arch: str, entrants: list[Contestant], report: Report) -> None:
    profiles = {}
    for entrant in entrants:
        try:
            profiles[entrant.name] = kernel_times.of_step(torch, entrant.step, entrant.synchronize)
        except kernel_times.LostEvents as error:
            report.problem(f"{arch}, {entrant.name}: {error}")
        report.result(f"kernels of {arch}", profiles)


def summary(results: dict[str, Any]) -> list[str]:
    """Times beside each other, then the kernels of a step."""
    lines = [
        "Median of a step; `host` is the time after which Python has put it into the queue; `peak` "
        "is what a step needs of the device's memory; `gradients` is the largest difference in the "
        "norm of a gradient from the first row of the same network, without dropout.",
    ]
    for title, rows in results.items():
        if not title.startswith("kernels of "):
            lines += steps_table(title, rows)
    for title, profiles in results.items():
        if title.startswith("kernels of "):
            for name, profile in profiles.items():
                lines += _kernels_table(f"{title.removeprefix('kernels of ')}, {name}", profile)
    return lines


def steps_table(title: str, rows: list[dict[str, Any]]) -> list[str]:
    size = int(title.rpartition(" ")[2])
    ours = {row["name"]: np.median(row["seconds"]) for row in rows}["minigrad tf32"]
    header = [title, "ms", "p10-p90", "images/s", "host ms", "peak GB"]
    header += ["minigrad tf32 / this", "gradients"]
    cells = []
    for row in rows:
        seconds = np.median(row["seconds"])
        low, high = np.percentile(row["seconds"], (10, 90))
        cells.append(
            [
                *(row["name"], f"{1e3 * seconds:.2f}", f"{1e3 * low:.2f}-{1e3 * high:.2f}"),
                *(f"{size / seconds:.0f}", f"{1e3 * np.median(row['host_seconds']):.2f}"),
                *(f"{row['peak_bytes'] / 1e9:.2f}", f"{ours / seconds:.2f}"),
                f"{row['difference']:.2%}",
            ]
        )
    return table(header, cells)


def _kernels_table(title: str, profile: dict[str, Any]) -> list[str]:
    busy, span = profile["busy"], profile["span"]
    rows = sorted(profile["kernels"], key=lambda row: -row["seconds"])
    shown, others = rows[:KERNELS_SHOWN], rows[KERNELS_SHOWN:]
    cells = [[row["name"], row["calls"], f"{1e3 * row['seconds']:.3f}"] for row in shown]
    if others:
        calls, seconds = sum(r["calls"] for r in others), sum(r["seconds"] for r in others)
        cells.append([f"{len(others)} others", calls, f"{1e3 * seconds:.3f}"])
    cells.append(["nothing (between the first and the last)", "", f"{1e3 * (span - busy):.3f}"])
    return table([f"{title}: {1e3 * span:.2f} ms", "calls", "ms"], cells)
