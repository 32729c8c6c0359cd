"""Each layer beside PyTorch's, forward and backward, by the clock of the GPU.

A layer is what the network computes in one operation: a convolution with its ReLU, a normalization
with the pooling after it. PyTorch's part is the same layers one after the other, in either memory
format; the better one counts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from alexnet.inference.layers import steps
from alexnet.precision import PRECISIONS
from benchmarks import peer
from benchmarks.gpu_check import contestants
from benchmarks.gpu_check.contestants import multiplying_in, set_precision
from benchmarks.gpu_check.gpu_clock import GpuClock
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table
from benchmarks.passes import Layer, walk
from benchmarks.timing import interleaved
from minigrad import Tensor, backend, nn

PASSES = ("forward", "backward")
FORMATS = ("contiguous", "channels-last")  # of PyTorch


class Noise:
    """Arrays of normally distributed numbers, all of the same ones.

    Numbers for each of the forty arrays, of up to 150 MB, take longer to draw than all that is
    timed. Zeros would need no time at all, but flatter a GPU: where bits do not change it needs
    less power, and keeps a higher clock.
    """

    def __init__(self):
        self._numbers = np.empty(0, np.float32)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array to be copied to a device, not to be written: others share its memory."""
        size = math.prod(shape)
        if self._numbers.size < size:
            self._numbers = np.random.default_rng(0).standard_normal(size, np.float32)
        return self._numbers[:size].reshape(shape)


@dataclass(frozen=True)
class Unit:
    """What the network computes in one operation: a layer, or two.

    Attributes:
        name: of its layers, such as conv1+relu1.
        layers: one or two; the first has the input.
    """

    name: str
    layers: tuple[Layer, ...]

    @property
    def input(self) -> np.ndarray:
        return self.layers[0].input

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.layers[-1].output_shape

    @property
    def input_learns(self) -> bool:
        """Whether the gradient of the input is needed: not that of the images."""
        return "d input" in self.layers[0].passes


def units(network: nn.Module, layers: list[Layer]) -> list[Unit]:
    """The layers of a network as it computes them."""
    firsts = {step.layers[0] for step in steps(network) if isinstance(step, nn.Fused)}
    found = []
    remaining = iter(layers)
    for layer in remaining:
        taken = (layer, next(remaining)) if layer.module in firsts else (layer,)
        found.append(Unit("+".join(layer.name for layer in taken), taken))
    return found


def run(options: Options, report: Report) -> None:
    """Every layer of every network, in each precision."""
    torch, why_not = contestants.usable_torch()
    if torch is None:
        report.problem(why_not)
    elif torch.cuda.current_stream().cuda_stream != 0:
        report.problem("PyTorch is not on the null stream: the clock does not see its work")
    clock, noise = GpuClock(options.small), Noise()
    report.result("copy GB/s", clock.copy_gbytes())
    report.progress("the clock is ready")
    for arch in options.architectures:
        network = contestants.network(arch, options).to("cuda")
        side = contestants.image_size(arch, options)
        walked = walk(network, side, options.batch, "cuda", noise)
        report.progress(f"{arch}: the inputs are ready")
        rows = []
        for unit in units(network, walked):
            rows += _time_unit(unit, noise(unit.output_shape), clock, torch, options)
            report.result(f"{arch}, batch {options.batch}", rows)
            report.progress(f"{arch}: {unit.name}")
    if not clock.host_was_ahead:
        report.problem("the host was not ahead of the GPU: some times may be those of Python")


def _time_unit(
    unit: Unit,
    grad_output: np.ndarray,
    clock: GpuClock,
    torch: ModuleType | None,
    options: Options,
) -> list[dict[str, Any]]:
    # Without products TF32 is float32, and so is bfloat16 where there are no images.
    has_products = any(list(layer.module.parameters()) for layer in unit.layers)
    timed = PRECISIONS if has_products else ("float32", *["bf16"] * (unit.input.ndim == 4))
    entrants: dict[str, dict[str, Callable[[], list[Callable]]]] = {}
    for precision in timed:
        entrants[f"minigrad {precision}"] = _ours(unit, grad_output, precision, options.calls)
        for order in FORMATS if torch else ():
            entrants[f"PyTorch {precision}, {order}"] = _torch(
                torch, unit, grad_output, precision, order, options.calls
            )
    wait = backend.get("cuda").xp.cuda.Device().synchronize
    rows = []
    for of in PASSES:
        for passes in entrants.values():
            for call in passes[of]():  # kernels are compiled, and cuDNN looks for its fastest
                call()
            wait()
        timers = [clock.timer(passes[of]) for passes in entrants.values()]
        samples = interleaved(timers, options.repeats)
        seconds = {name: sample.seconds for name, sample in zip(entrants, samples)}
        rows.append({"name": f"{unit.name} {of}", "seconds": seconds})
    return rows


def _ours(
    unit: Unit, grad_output: np.ndarray, precision: str, calls: int
) -> dict[str, Callable[[], list[Callable]]]:
    """For each pass, what makes the calls to be timed."""
    device = backend.get("cuda")
    modules = [layer.module for layer in unit.layers]
    module = nn.Fused(*modules) if len(modules) == 2 else modules[0]
    images = device.images(device.asarray(unit.input))
    if images.ndim == 4:
        images = device.factor(images, precision == "bf16")
    input = Tensor(images)
    input.requires_grad = unit.input_learns

    def output() -> Tensor:
        with multiplying_in(precision):
            return module(input)

    of_output = device.images(device.asarray(grad_output)).astype(output().dtype)
    gradient = Tensor(of_output)

    def forward() -> list[Callable]:
        return [output] * calls

    def backward() -> list[Callable]:
        """A graph serves for one backward pass, so there are as many graphs as calls."""
        outputs = [output() for _ in range(calls)]

        def one() -> None:
            for leaf in (input, *module.parameters()):
                leaf.grad = None  # or the new gradient would be added to it
            outputs.pop().backward(gradient)

        return [one] * calls

    return {"forward": forward, "backward": backward}


def _torch(
    torch: ModuleType, unit: Unit, grad_output: np.ndarray, precision: str, order: str, calls: int
) -> dict[str, Callable[[], list[Callable]]]:
    twins = [peer.layer(torch, layer.module) for layer in unit.layers]
    module = torch.nn.Sequential(*twins).cuda()
    input, gradient = (torch.from_numpy(array).cuda() for array in (unit.input, grad_output))
    if order == "channels-last":
        module = module.to(memory_format=torch.channels_last)
        input, gradient = (
            array.to(memory_format=torch.channels_last) if array.ndim == 4 else array
            for array in (input, gradient)
        )
    in_bfloat16 = precision == "bf16"
    if in_bfloat16 and input.ndim == 4:
        input = input.to(torch.bfloat16)
    input = input.detach().requires_grad_(unit.input_learns)
    leaves = [*([input] if unit.input_learns else []), *module.parameters()]

    def output() -> Any:
        with torch.autocast("cuda", torch.bfloat16, enabled=in_bfloat16):
            return module(input)

    def forward() -> list[Callable]:
        set_precision(torch, precision)
        return [output] * calls

    def backward() -> list[Callable]:
        set_precision(torch, precision)
        result = output()
        of_result = gradient.to(result.dtype)
        return [lambda: torch.autograd.grad(result, leaves, of_result, retain_graph=True)] * calls

    return {"forward": forward, "backward": backward}


def summary(results: dict[str, Any]) -> list[str]:
    """A row for each pass of each layer; PyTorch in its better memory format."""
    lines = [
        f"Medians in ms. A copy moves {results['copy GB/s']:.0f} GB/s, read and written. Layers "
        "without products are the same in TF32 as in float32, and are timed once."
    ]
    for title, rows in results.items():
        if title != "copy GB/s":
            lines += _layers_table(title, rows)
    return lines


def _layers_table(title: str, rows: list[dict[str, Any]]) -> list[str]:
    header, cells = [title], []
    for precision in PRECISIONS:
        header += [f"{precision}", "PyTorch", "format", "PyTorch / ours"]
    totals = dict.fromkeys(PRECISIONS, (0.0, 0.0))
    for row in rows:
        medians = {name: 1e3 * np.median(seconds) for name, seconds in row["seconds"].items()}
        line = [row["name"]]
        for precision in PRECISIONS:
            timed = precision if f"minigrad {precision}" in medians else "float32"
            ours = medians[f"minigrad {timed}"]
            theirs = {order: medians.get(f"PyTorch {timed}, {order}") for order in FORMATS}
            best = (
                min((ms, order) for order, ms in theirs.items()) if all(theirs.values()) else None
            )
            line += _cells(ours, best)
            sums = totals[precision]
            totals[precision] = sums[0] + ours, sums[1] + (best[0] if best else 0)
        cells.append(line)
    total = [f"sum of these {len(rows)}"]
    for ours, theirs in totals.values():
        total += _cells(ours, (theirs, "") if theirs else None)
    return table(header, [*cells, total])


def _cells(ours: float, best: tuple[float, str] | None) -> list[str]:
    if best is None:
        return [f"{ours:.3f}", "-", "-", "-"]
    return [f"{ours:.3f}", f"{best[0]:.3f}", best[1], f"{best[0] / ours:.2f}"]
