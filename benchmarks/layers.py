"""``python -m benchmarks.layers``: what each layer of AlexNet costs, pass by pass."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.errors import Failed
from alexnet.model import ARCHITECTURES
from alexnet.precision import require_available
from benchmarks import NETWORKS, budget, machine, peer, picture, precision
from benchmarks.passes import FORWARD, INPUT, Layer, Ours, Torch, walk
from benchmarks.precision import BF16, FLOAT32
from benchmarks.report import add_json_option, save, writable
from benchmarks.timing import Sample, interleaved
from minigrad import backend, nn
from minigrad.kernels.shared.bfloat16 import round_to_bfloat16

# Sums of thousands of float32 products in another order; a wrong kernel is off by its size.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    layer: str
    of: str
    output_shape: tuple[int, ...]
    flops: int
    transferred: int
    ours: Sample
    torch: Sample | None
    precision: str = FLOAT32

    @property
    def title(self) -> str:
        """The pass, with the precision of its products unless that is float32."""
        return self.of if self.precision == FLOAT32 else f"{self.of} {self.precision}"

    def report(self) -> dict[str, Any]:
        """For the file that `--json` writes."""
        return {
            "name": f"{self.layer} {self.title}",
            "output_shape": self.output_shape,
            "flops": self.flops,
            "transferred_bytes": self.transferred,
            "seconds": self.ours.seconds,
            "torch_seconds": self.torch.seconds if self.torch else None,
        }


class WrongResult(Failed):
    """A layer that computes something else than PyTorch is not worth timing."""


def _require_equal(
    name: str, ours: list[np.ndarray], peers: list[np.ndarray], tolerance: float
) -> None:
    for own, other in zip(ours, peers, strict=True):
        error = np.abs(own - other).max() / max(np.abs(other).max(), 1e-30)
        if not error <= tolerance:
            raise WrongResult(
                f"{name} differs from PyTorch by {error:.1e} of the largest value "
                f"(at most {tolerance:.0e} is rounding): not timed"
            )


def _seconds(side: Ours | Torch, of: str) -> float:
    return side.run(of)[0]


def _given(layer: Layer, grad_output: np.ndarray, precision: str) -> tuple[Layer, np.ndarray]:
    """What both sides get: in bfloat16 numbers of it, so that max-pooling has the same ties."""
    if precision == FLOAT32:
        return layer, grad_output
    if INPUT in layer.passes:
        layer = replace(layer, input=round_to_bfloat16(layer.input))
    return layer, round_to_bfloat16(grad_output)


def measure(
    layers: list[Layer],
    repeats: int,
    torch: ModuleType | None,
    report: Callable[[Result], None] = lambda result: None,
    precisions: tuple[str, ...] = (FLOAT32,),
) -> list[Result]:
    """Time every pass of every layer, after comparing what it computes with PyTorch.

    Dropout is not compared: each side draws a mask of its own.

    Raises:
        WrongResult: a layer does not compute what PyTorch's does.
    """
    results = []
    for layer in layers:
        grad_output = np.random.default_rng(1).standard_normal(layer.output_shape, np.float32)
        given = [(*_given(layer, grad_output, p), p) for p in precisions]
        ours = [Ours(*arguments) for arguments in given]
        others = [Torch(torch, *arguments) for arguments in given] if torch else []
        for of in layer.passes:
            blank = Result(
                layer.name,
                of,
                layer.output_shape,
                layer.flops(),
                layer.transferred_bytes(of),
                Sample(()),
                None,
            )
            measured = [replace(blank, precision=of_products) for of_products in precisions]
            for result, own, other in zip(measured, ours, others):
                if not isinstance(layer.module, nn.Dropout):
                    rounded = result.precision == BF16
                    tolerance = precision.tolerance(1) if rounded else TOLERANCE
                    name = f"{layer.name} {result.title}"
                    _require_equal(name, own.run(of)[1], other.run(of)[1], tolerance)
            turns = [partial(_seconds, side, of) for side in (*ours, *others)]
            samples = interleaved(turns, repeats)
            of_others = samples[len(ours) :] or [None] * len(ours)
            for result, own, other in zip(measured, samples, of_others):
                results.append(replace(result, ours=own, torch=other))
                report(results[-1])
    return results


HEADER = (
    f"{'layer':<8}{'pass':<10}{'output':>15}{'ms':>9}{'p10-p90':>16}{'GFLOP/s':>9}{'GB/s':>7}"
    f"{'of limit':>10}{'PyTorch ms':>12}{'speed-up':>10}"
)


def _line(result: Result, peaks: machine.Peaks) -> str:
    ms, seconds = 1e3 * result.ours.median, result.ours.median
    spread = f"{1e3 * result.ours.p10:.2f}-{1e3 * result.ours.p90:.2f}"
    gflops = f"{result.flops / seconds / 1e9:.0f}" if result.flops else "-"
    limit = peaks.limit_seconds(result.flops, result.transferred, result.precision) / seconds
    shape = "x".join(map(str, result.output_shape[1:]))
    place = result.title + f"{shape:>{25 - len(result.title)}}"
    line = (
        f"{result.layer:<8}{place}{ms:>9.2f}{spread:>16}{gflops:>9}"
        f"{result.transferred / seconds / 1e9:>7.1f}{limit:>10.0%}"
    )
    return line + _peer_columns(seconds, result.torch.median if result.torch else None)


def _peer_columns(ours: float, torch: float | None) -> str:
    return f"{1e3 * torch:>12.2f}{torch / ours:>10.2f}" if torch else f"{'-':>12}{'-':>10}"


def _totals(results: list[Result]) -> list[str]:
    """Sums of the passes in one precision."""
    lines = []
    for title, chosen in (
        ("forward", [r for r in results if r.of == FORWARD]),
        ("backward", [r for r in results if r.of != FORWARD]),
        ("all", results),
    ):
        ours = sum(r.ours.median for r in chosen)
        torch = sum(r.torch.median for r in chosen) if all(r.torch for r in chosen) else None
        gflops = sum(r.flops for r in chosen) / ours / 1e9 if chosen else 0.0
        title = replace(results[0], of=title).title
        lines.append(
            f"{'sum':<8}{title:<25}{1e3 * ours:>9.2f}{'':>16}{gflops:>9.0f}{'':>17}"
            + _peer_columns(ours, torch)
        )
    return lines


def _loss_and_update(
    model: nn.Module, layers: list[Layer], repeats: int, torch: ModuleType | None
) -> list[Result]:
    """What a step does beside its layers."""
    rows = budget.loss_and_update(model, layers[-1].output_shape, repeats, torch)
    return [
        Result(name, of, shape, 0, transferred, ours, other)
        for name, of, shape, transferred, ours, other in rows
    ]


def _sum(results: list[Result], step: Sample) -> str:
    """The layers in one precision and the rest, beside the step of this precision."""
    parts = sum(result.ours.median for result in results)
    named = "" if results[0].precision == FLOAT32 else f" in {results[0].precision}"
    return (
        f"layers{named}, loss and update: {1e3 * parts:.0f} ms, {parts / step.median:.0%} of a "
        f"step as a whole, which takes {1e3 * step.median:.0f} ms "
        f"(p10-p90 {1e3 * step.p10:.0f}-{1e3 * step.p90:.0f})"
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.layers",
        description="Time each pass of each layer; with PyTorch side by side if it is installed.",
        epilog="example: python -m benchmarks.layers --batch 128 --layers conv2 norm1 fc6",
    )
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--layers", nargs="+", metavar="NAME", help="such as conv1; default: all")
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    precision.add_option(parser)
    add_json_option(parser)
    parser.add_argument(
        "--plot",
        type=writable,
        metavar="FILE",
        help="draw bars and roofline as a PNG, of the first precision",
    )
    return parser


def _chosen_layers(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, model: nn.Module
) -> list[Layer]:
    layers = walk(model, ARCHITECTURES[arguments.arch].default_image_size, arguments.batch)
    if not arguments.layers:
        return layers
    names = [layer.name for layer in layers]
    if unknown := set(arguments.layers).difference(names):
        parser.error(f"unknown layer {min(unknown)!r}: choose from {' '.join(names)}")
    return [layer for layer in layers if layer.name in arguments.layers]


def _limits(peaks: machine.Peaks) -> str:
    in_bf16 = f", {peaks.bf16_gflops:.0f} in bf16" if peaks.bf16_gflops else ""
    return (
        f"limits measured just now: {peaks.gflops:.0f} GFLOP/s (matrix product){in_bf16}, "
        f"{peaks.gbytes:.1f} GB/s (copy)"
    )


def _print_sums(
    model: nn.Module, images: np.ndarray, repeats: int, parts: dict[str, list[Result]]
) -> dict[str, Sample]:
    """Print the parts of a step beside the step as a whole, in each precision.

    Returns:
        the steps.
    """
    steps = {}
    for of_products, results in parts.items():
        steps[of_products] = budget.whole_step(model, images, repeats, of_products)
        print(_sum(results, steps[of_products]))
    return steps


def _report(
    arguments: argparse.Namespace,
    about: dict[str, Any],
    peaks: machine.Peaks,
    results: list[Result],
    steps: dict[str, Sample],
) -> dict[str, Any]:
    """For the file that `--json` writes."""
    return {
        "kind": "layers",
        "arch": arguments.arch,
        "batch": arguments.batch,
        "about": about,
        "peaks": asdict(peaks),
        "results": [result.report() for result in results],
        "step_seconds": steps[FLOAT32].seconds if FLOAT32 in steps else None,
        **({"bf16_step_seconds": steps[BF16].seconds} if BF16 in steps else {}),
    }


def _run(argv: list[str] | None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    model = ARCHITECTURES[arguments.arch](init="torch")
    layers = _chosen_layers(parser, arguments, model)
    precisions = tuple(dict.fromkeys(arguments.precision))
    for of_products in precisions:
        require_available(of_products, backend.get("cpu"))

    torch = peer.import_torch()
    about = machine.introduce(peer.versions(torch))
    peaks = machine.measure_peaks(bf16=BF16 in precisions)
    print(_limits(peaks))
    print(f"{arguments.arch}, batch {arguments.batch}, medians of {arguments.repeats}\n\n{HEADER}")
    results = measure(
        layers,
        arguments.repeats,
        torch,
        lambda result: print(_line(result, peaks), flush=True),
        precisions,
    )
    by_precision = {p: [r for r in results if r.precision == p] for p in precisions}
    print("-" * len(HEADER))
    for chosen in by_precision.values():
        print("\n".join(_totals(chosen)))
    rest, steps = [], {}
    if not arguments.layers:
        rest = _loss_and_update(model, layers, arguments.repeats, torch)
        print("\n".join([*(_line(result, peaks) for result in rest), ""]))
        parts = {p: chosen + rest for p, chosen in by_precision.items()}
        steps = _print_sums(model, layers[0].input, arguments.repeats, parts)
    save(_report(arguments, about, peaks, results + rest, steps), arguments.json)
    if arguments.plot:
        picture.draw(by_precision[precisions[0]], peaks, arguments.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a layer computes something wrong, otherwise 0."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
