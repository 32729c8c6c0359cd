"""``python -m benchmarks.layers``: what each layer of AlexNet costs, pass by pass."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.inference.layers import named_layers
from alexnet.model import ARCHITECTURES
from benchmarks import budget, machine, peer, picture
from benchmarks.report import add_json_option, save, writable
from benchmarks.timing import Sample, interleaved
from minigrad import Tensor, backend, manual_seed, nn

FORWARD, INPUT, WEIGHT = "forward", "d input", "d weight"
# Sums of thousands of float32 products in another order; a wrong kernel is off by its size.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Layer:
    """A layer at its place in the network, with the input it gets there.

    Attributes:
        name: see `alexnet.inference.layers`: conv1 relu1 norm1 ... fc8.
        input: random, of the shape the layer sees.
        output_shape: for that input.
        passes: what a training step computes here. The first layer needs no gradient of its
            input, and only layers with weights have gradients of weights.
    """

    name: str
    module: nn.Module
    input: np.ndarray
    output_shape: tuple[int, ...]
    passes: tuple[str, ...]

    def flops(self) -> int:
        """Of any one pass: two for each multiply-add; 0 where there are no weights."""
        if not isinstance(self.module, nn.Conv2d | nn.Linear):
            return 0
        weight = self.module.weight.shape
        of_one_output = math.prod(weight[1:])
        return 2 * math.prod(self.output_shape) * of_one_output

    def transferred_bytes(self, of: str) -> int:
        """Bytes that a pass must at least read and write: its arrays, each once."""
        input, output = 4 * self.input.size, 4 * math.prod(self.output_shape)
        parameters = 4 * sum(p.numel() for p in self.module.parameters())
        if parameters or of == FORWARD:
            return input + output + parameters
        # Activations, max-pooling and normalization look at their input again, or at as much that
        # they kept; dropout draws its mask once more instead.
        looks_back = not isinstance(self.module, nn.Dropout | nn.AdaptiveAvgPool2d)
        return (2 * input if looks_back else input) + output


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

    def report(self) -> dict[str, Any]:
        """For the file that `--json` writes."""
        return {
            "name": f"{self.layer} {self.of}",
            "output_shape": self.output_shape,
            "flops": self.flops,
            "transferred_bytes": self.transferred,
            "seconds": self.ours.seconds,
            "torch_seconds": self.torch.seconds if self.torch else None,
        }


def walk(
    model: nn.Module,
    image_size: int,
    batch_size: int,
    device: str = "cpu",
    draw: Callable[[tuple[int, ...]], np.ndarray] | None = None,
) -> list[Layer]:
    """The layers of a network from input to output; reshaping costs nothing and is left out.

    Each is timed alone, as PyTorch's are, also where the network fuses two.

    Args:
        device: where the model is; it is run once, for the shapes.
        draw: makes the float32 input of a shape; default: normally distributed.
    """
    draw = draw or partial(np.random.default_rng(0).standard_normal, dtype=np.float32)
    shape = (batch_size, 3, image_size, image_size)
    layers = []
    for name, module in named_layers(model).items():
        if isinstance(module, nn.ReLU):
            module = nn.ReLU()  # timed again and again, it must not overwrite its input
        input = draw(shape)
        shape = module(Tensor(input).to(device)).shape
        if isinstance(module, nn.Flatten):
            continue
        learns = bool(list(module.parameters()))
        passes = (FORWARD, *([INPUT] if layers else []), *([WEIGHT] if learns else []))
        layers.append(Layer(name, module, input, shape, passes))
    return layers


class _Ours:
    """A layer of this engine, ready to be timed pass by pass.

    Its arrays have the order in memory that the layers before and after it would give them.
    """

    def __init__(self, layer: Layer, grad_output: np.ndarray):
        self.module = layer.module
        self.parameters = list(layer.module.parameters())
        images = backend.get("cpu").images
        self.input = Tensor(images(layer.input))
        self.grad_output = Tensor(images(grad_output))

    def run(self, of: str) -> tuple[float, list[np.ndarray]]:
        """Seconds of one pass, and the arrays that it computed."""
        self.input.requires_grad = of != WEIGHT
        for parameter in self.parameters:
            parameter.requires_grad = of != INPUT
        leaves = {INPUT: [self.input], WEIGHT: self.parameters, FORWARD: []}[of]
        for leaf in leaves:
            leaf.grad = None
        manual_seed(0)
        started = time.perf_counter()
        output = self.module(self.input)
        if of == FORWARD:
            return time.perf_counter() - started, [output.numpy()]
        started = time.perf_counter()
        output.backward(self.grad_output)
        return time.perf_counter() - started, [leaf.grad.numpy() for leaf in leaves]


class _Torch:
    """The same layer in PyTorch, with the same weights."""

    def __init__(self, torch: ModuleType, layer: Layer, grad_output: np.ndarray):
        self.torch = torch
        self.module = peer.layer(torch, layer.module)
        self.parameters = list(self.module.parameters())
        self.input = torch.from_numpy(layer.input.copy())
        self.grad_output = torch.from_numpy(grad_output)

    def run(self, of: str) -> tuple[float, list[np.ndarray]]:
        """Seconds of one pass, and the arrays that it computed."""
        self.input.requires_grad_(of != WEIGHT)
        for parameter in self.parameters:
            parameter.requires_grad_(of != INPUT)
        started = time.perf_counter()
        output = self.module(self.input)
        if of == FORWARD:
            return time.perf_counter() - started, [output.detach().numpy()]
        leaves = [self.input] if of == INPUT else self.parameters
        started = time.perf_counter()
        gradients = self.torch.autograd.grad(output, leaves, self.grad_output)
        return time.perf_counter() - started, [gradient.numpy() for gradient in gradients]


class WrongResult(Exception):
    """A layer that computes something else than PyTorch is not worth timing."""


def _require_equal(layer: Layer, of: str, ours: list[np.ndarray], peers: list[np.ndarray]) -> None:
    for own, other in zip(ours, peers, strict=True):
        error = np.abs(own - other).max() / max(np.abs(other).max(), 1e-30)
        if not error <= TOLERANCE:
            raise WrongResult(
                f"{layer.name} {of} differs from PyTorch by {error:.1e} of the largest value "
                f"(at most {TOLERANCE:.0e} is rounding): not timed"
            )


def _seconds(side: _Ours | _Torch, of: str) -> float:
    return side.run(of)[0]


def measure(
    layers: list[Layer],
    repeats: int,
    torch: ModuleType | None,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Time every pass of every layer, after comparing what it computes with PyTorch.

    Dropout is not compared: each side draws a mask of its own.

    Raises:
        WrongResult: a layer does not compute what PyTorch's does.
    """
    results = []
    for layer in layers:
        grad_output = np.random.default_rng(1).standard_normal(layer.output_shape, np.float32)
        ours = _Ours(layer, grad_output)
        other = _Torch(torch, layer, grad_output) if torch else None
        for of in layer.passes:
            if other and not isinstance(layer.module, nn.Dropout):
                _require_equal(layer, of, ours.run(of)[1], other.run(of)[1])
            sides = [ours, other] if other else [ours]
            samples = interleaved([partial(_seconds, side, of) for side in sides], repeats)
            result = Result(
                layer.name,
                of,
                layer.output_shape,
                layer.flops(),
                layer.transferred_bytes(of),
                samples[0],
                samples[1] if other else None,
            )
            results.append(result)
            report(result)
    return results


HEADER = (
    f"{'layer':<8}{'pass':<10}{'output':>15}{'ms':>9}{'p10-p90':>16}{'GFLOP/s':>9}{'GB/s':>7}"
    f"{'of limit':>10}{'PyTorch ms':>12}{'speed-up':>10}"
)


def _line(result: Result, peaks: machine.Peaks) -> str:
    ms, seconds = 1e3 * result.ours.median, result.ours.median
    spread = f"{1e3 * result.ours.p10:.2f}-{1e3 * result.ours.p90:.2f}"
    gflops = f"{result.flops / seconds / 1e9:.0f}" if result.flops else "-"
    limit = peaks.limit_seconds(result.flops, result.transferred) / seconds
    shape = "x".join(map(str, result.output_shape[1:]))
    line = (
        f"{result.layer:<8}{result.of:<10}{shape:>15}{ms:>9.2f}{spread:>16}{gflops:>9}"
        f"{result.transferred / seconds / 1e9:>7.1f}{limit:>10.0%}"
    )
    return line + _peer_columns(seconds, result.torch.median if result.torch else None)


def _peer_columns(ours: float, torch: float | None) -> str:
    return f"{1e3 * torch:>12.2f}{torch / ours:>10.2f}" if torch else f"{'-':>12}{'-':>10}"


def _totals(results: list[Result]) -> list[str]:
    lines = []
    for title, chosen in (
        ("forward", [r for r in results if r.of == FORWARD]),
        ("backward", [r for r in results if r.of != FORWARD]),
        ("all", results),
    ):
        ours = sum(r.ours.median for r in chosen)
        torch = sum(r.torch.median for r in chosen) if all(r.torch for r in chosen) else None
        gflops = sum(r.flops for r in chosen) / ours / 1e9 if chosen else 0.0
        lines.append(
            f"{'sum':<8}{title:<10}{'':>15}{1e3 * ours:>9.2f}{'':>16}{gflops:>9.0f}{'':>17}"
            + _peer_columns(ours, torch)
        )
    return lines


def _budget(
    model: nn.Module, layers: list[Layer], repeats: int, torch: ModuleType | None
) -> tuple[list[Result], Sample]:
    """What a step does beside its layers, and a whole step."""
    rows = budget.loss_and_update(model, layers[-1].output_shape, repeats, torch)
    rest = [
        Result(name, of, shape, 0, transferred, ours, other)
        for name, of, shape, transferred, ours, other in rows
    ]
    return rest, budget.whole_step(model, layers[0].input, repeats)


def _sum(results: list[Result], step: Sample) -> str:
    parts = sum(result.ours.median for result in results)
    return (
        f"layers, loss and update: {1e3 * parts:.0f} ms, {parts / step.median:.0%} of a step as a "
        f"whole, which takes {1e3 * step.median:.0f} ms "
        f"(p10-p90 {1e3 * step.p10:.0f}-{1e3 * step.p90:.0f})"
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.layers",
        description="Time each pass of each layer; with PyTorch side by side if it is installed.",
        epilog="example: python -m benchmarks.layers --batch 128 --layers conv2 norm1 fc6",
    )
    parser.add_argument("--arch", choices=ARCHITECTURES, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--layers", nargs="+", metavar="NAME", help="such as conv1; default: all")
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    parser.add_argument(
        "--plot", type=writable, metavar="FILE", help="draw bars and roofline as a PNG"
    )
    return parser


def _run(argv: list[str] | None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    architecture = ARCHITECTURES[arguments.arch]
    model = architecture(init="torch")
    layers = walk(model, architecture.default_image_size, arguments.batch)
    names = [layer.name for layer in layers]
    unknown = set(arguments.layers or []).difference(names)
    if unknown:
        parser.error(f"unknown layer {min(unknown)!r}: choose from {' '.join(names)}")
    if arguments.layers:
        layers = [layer for layer in layers if layer.name in arguments.layers]

    torch = peer.import_torch()
    about = machine.introduce(torch)
    peaks = machine.measure_peaks()
    print(
        f"limits measured just now: {peaks.gflops:.0f} GFLOP/s (matrix product), "
        f"{peaks.gbytes:.1f} GB/s (copy)"
    )
    print(f"{arguments.arch}, batch {arguments.batch}, medians of {arguments.repeats}\n\n{HEADER}")
    try:
        results = measure(
            layers,
            arguments.repeats,
            torch,
            lambda result: print(_line(result, peaks), flush=True),
        )
    except WrongResult as error:
        cli.say(f"error: {error}")
        return 1
    print("\n".join(["-" * len(HEADER), *_totals(results)]))
    rest, step = [], None
    if not arguments.layers:
        rest, step = _budget(model, layers, arguments.repeats, torch)
        print(
            "\n".join([*(_line(result, peaks) for result in rest), "", _sum(results + rest, step)])
        )
    report = {
        "kind": "layers",
        "arch": arguments.arch,
        "batch": arguments.batch,
        "about": about,
        "peaks": asdict(peaks),
        "results": [result.report() for result in results + rest],
        "step_seconds": step.seconds if step else None,
    }
    save(report, arguments.json)
    if arguments.plot:
        picture.draw(results, peaks, arguments.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a layer computes something wrong, otherwise 0."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
