"""Training steps of this engine and of PyTorch, in turn: times and memory."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from alexnet.precision import PRECISIONS
from benchmarks.gpu_check import contestants
from benchmarks.gpu_check.contestants import Contestant, Ours, Torch
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table
from benchmarks.timing import interleaved
from minigrad import nn

# Of PyTorch: kind of products, and whether normalization is left out.
FORMS = (("float32", False), ("tf32", False), ("bf16", False), ("tf32", True), ("bf16", True))


def run(options: Options, report: Report) -> None:
    """Both networks, with a batch and with twice as many images."""
    torch, why_not = contestants.usable_torch()
    if torch is None:
        report.problem(why_not)
    contestants.prepare_to_count()
    entrants = {arch: all_entrants(arch, options, torch) for arch in options.architectures}
    report.progress("all networks are on the device")
    differences = {}
    for size in (options.batch, 2 * options.batch):
        for arch, of_arch in entrants.items():
            images, labels = contestants.batch(size, contestants.image_size(arch, options))
            for entrant in of_arch:
                entrant.take(images, labels)
            if arch not in differences:
                differences[arch] = compare(of_arch, {}, report)
            results = measure(of_arch, options)
            for result, difference in zip(results, differences[arch]):
                result["difference"] = difference
            report.result(f"{arch}, batch {size}", results)
            report.progress(f"{arch}, batch {size}")


def all_entrants(arch: str, options: Options, torch: ModuleType | None) -> list[Contestant]:
    """This engine in each precision, then PyTorch in each form that the network has."""
    network = contestants.network(arch, options)
    has_norm = any(
        isinstance(module, nn.LocalResponseNorm) for _, module in network.named_modules()
    )
    entrants: list[Contestant] = [Ours(network, name) for name in PRECISIONS]
    for kind, without_norm in FORMS if torch else ():
        if has_norm or not without_norm:
            entrants.append(Torch(torch, network, kind, without_norm))
    return entrants


def compare(
    entrants: list[Contestant], expected: dict[bool, list[float]], report: Report
) -> list[float | None]:
    """By how much the gradients differ, of the same weights and images; more than rounding is a
    problem.

    What has dropout in it is only seen to have all gradients, and there is no number (None).

    Args:
        expected: norms of the gradients of the network with normalization (False) and of that
            without (True); where there are none yet, those of the first that comes.
    """
    differences: list[float | None] = []
    for entrant in entrants:
        norms = entrant.gradient_norms()
        reference = expected.setdefault(entrant.without_norm, norms)
        difference = contestants.difference(norms, reference)
        tolerance = entrant.tolerance
        if entrant.has_dropout:
            tolerance = contestants.TOLERANCE_WITH_DROPOUT
        if not difference <= tolerance:
            report.problem(
                f"{entrant.name}: the norm of a gradient differs by {difference:.0%} from that in "
                "the first row of the same network"
            )
        differences.append(None if entrant.has_dropout else difference)
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


def summary(results: dict[str, Any]) -> list[str]:
    """Times beside each other."""
    lines = [
        "Median of a step, on a batch that is on the device; our labels come from the host. `host` "
        "is the time after which Python has put a step into an empty queue; `peak` what a step "
        "needs of the device's memory; `gradients` the largest difference in the norm of a "
        "gradient from the "
        "first row of the same network, without dropout.",
    ]
    for title, rows in results.items():
        lines += steps_table(title, rows)
    return lines


def steps_table(title: str, rows: list[dict[str, Any]]) -> list[str]:
    size = int(title.rpartition(" ")[2])
    medians = {row["name"]: np.median(row["seconds"]) for row in rows}
    # The fastest form of ours that is among them.
    name = "minigrad bf16" if "minigrad bf16" in medians else "minigrad tf32"
    ours = medians[name]
    header = [title, "ms", "p10-p90", "images/s", "host ms", "peak GB"]
    header += [f"{name} / this", "gradients"]
    cells = []
    for row in rows:
        seconds = np.median(row["seconds"])
        low, high = np.percentile(row["seconds"], (10, 90))
        cells.append(
            [
                *(row["name"], f"{1e3 * seconds:.2f}", f"{1e3 * low:.2f}-{1e3 * high:.2f}"),
                *(f"{size / seconds:.0f}", f"{1e3 * np.median(row['host_seconds']):.2f}"),
                *(f"{row['peak_bytes'] / 1e9:.2f}", f"{ours / seconds:.2f}"),
                "-" if row["difference"] is None else f"{row['difference']:.2%}",
            ]
        )
    return table(header, cells)
