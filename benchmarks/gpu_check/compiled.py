"""PyTorch at its fastest: whole steps as CUDA graphs, and networks compiled by `torch.compile`."""

import traceback
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from benchmarks.gpu_check import contestants, steps
from benchmarks.gpu_check.contestants import Contestant, Ours, Torch, TorchGraph
from benchmarks.gpu_check.part import Options, Report
from minigrad import nn

# Kind of products, and whether normalization is left out. A graph is there at once; a compilation
# takes its time, so that those come first which are likely to be the fastest.
GRAPHS = (("bf16", False), ("tf32", False), ("bf16", True))
COMPILED = (
    ("bf16", False, "default"),
    ("bf16", True, "default"),
    ("tf32", False, "default"),
    ("bf16", False, "reduce-overhead"),
)


def run(options: Options, report: Report) -> None:
    """The first network, each form of PyTorch in turn with ours."""
    torch, why_not = contestants.usable_torch()
    if torch is None:
        report.problem(why_not)
        return
    arch = options.architectures[0]
    network = contestants.network(arch, options)
    batch = contestants.batch(options.batch, contestants.image_size(arch, options))
    contestants.prepare_to_count()
    ours = Ours(network, "bf16")
    ours.take(*batch)
    plain = Torch(torch, network, "tf32", without_norm=True)
    plain.take(*batch)
    expected = {False: ours.gradient_norms(), True: plain.gradient_norms()}
    rows: list[dict[str, Any]] = []
    forms = list(_forms(torch, network).items())
    for name, make in forms[2:4] if options.small else forms:
        try:
            entrant = make()
            entrant.take(*batch)
            differences = [0.0, *steps.compare([entrant], expected, report)]
            pair = steps.measure([ours, entrant], options)
        except Exception as error:
            traceback.print_exc()
            report.problem(" ".join(f"{name}: {type(error).__name__}: {error}".split())[:300])
            continue
        for row, difference in zip(pair, differences):
            row["difference"] = difference
        rows += pair[1:] if rows else pair
        report.result(f"{arch}, batch {options.batch}", rows)
        report.progress(name)


def _forms(torch: ModuleType, network: nn.Module) -> dict[str, Callable[[], Contestant]]:
    graphs = {
        f"CUDA graph, {kind}{', no norm' * without_norm}": partial(
            TorchGraph, torch, network, kind, without_norm
        )
        for kind, without_norm in GRAPHS
    }
    compiled = {
        f"compiled ({mode}), {kind}{', no norm' * without_norm}": partial(
            Torch, torch, network, kind, without_norm, mode
        )
        for kind, without_norm, mode in COMPILED
    }
    return graphs | compiled


def summary(results: dict[str, Any]) -> list[str]:
    """Times beside ours."""
    lines = [
        "Each form took turns with ours; the first row is from the turns with the second. Graphs "
        "and compiled networks have dropout in them, with masks of their own, so that their "
        "gradients are not comparable."
    ]
    for title, rows in results.items():
        lines += steps.steps_table(title, rows)
    return lines
