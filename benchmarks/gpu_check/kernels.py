"""Where every millisecond of a step is: its kernels, of this engine and of PyTorch."""

from typing import Any

from benchmarks.gpu_check import contestants, kernel_times, steps
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table

SHOWN = 12  # kernels of a step, in the summary


def run(options: Options, report: Report) -> None:
    """A step of everything that `steps` times, under the profiler.

    In a process of its own: the profiler stays in the way of all launches that come after it.
    """
    torch, why_not = contestants.usable_torch()
    if torch is None:
        report.problem(f"{why_not}, and the profiler is PyTorch's")
        return
    contestants.prepare_to_count()
    for arch in options.architectures:
        batch = contestants.batch(options.batch, contestants.image_size(arch, options))
        entrants = steps.all_entrants(arch, options, torch)
        report.progress(f"{arch}: all networks are on the device")
        profiles = {}
        for entrant in entrants:
            entrant.take(*batch)
            try:
                profile = kernel_times.of_step(torch, entrant.step, entrant.synchronize)
                profiles[entrant.name] = profile
            except kernel_times.LostEvents as error:
                report.problem(f"{arch}, {entrant.name}: {error}")
            report.result(f"{arch}, batch {options.batch}", profiles)
            report.progress(f"{arch}: {entrant.name}")


def summary(results: dict[str, Any]) -> list[str]:
    """The kernels of each step that take most."""
    lines = ["One step by the clock of the GPU (CUPTI), without what the host adds before it."]
    for title, profiles in results.items():
        for name, profile in profiles.items():
            lines += _table(f"{title}, {name}", profile)
    return lines


def _table(title: str, profile: dict[str, Any]) -> list[str]:
    busy, span = profile["busy"], profile["span"]
    rows = sorted(profile["kernels"], key=lambda row: -row["seconds"])
    cells = [[row["name"], row["calls"], f"{1e3 * row['seconds']:.3f}"] for row in rows[:SHOWN]]
    if others := rows[SHOWN:]:
        calls, seconds = sum(row["calls"] for row in others), sum(row["seconds"] for row in others)
        cells.append([f"{len(others)} others", calls, f"{1e3 * seconds:.3f}"])
    cells.append(["(nothing, between the first and the last)", "", f"{1e3 * (span - busy):.3f}"])
    return table([f"{title}: {1e3 * span:.2f} ms", "calls", "ms"], cells)
