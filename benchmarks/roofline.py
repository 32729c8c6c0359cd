"""``python -m benchmarks.roofline``: the least time that a training step can take on a GPU.

The shapes of the network say what each kernel multiplies and which arrays it reads and writes. Its
least time is that of the arithmetic or that of the bytes, whichever is longer (Williams, Waterman,
Patterson 2009); what a cache saves, and what a kernel reads twice, does not count. Nothing is
measured, and no GPU is needed.
"""

import argparse
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import minigrad as mg
from alexnet import cli
from alexnet.inference.layers import named_layers
from alexnet.model import ARCHITECTURES
from alexnet.precision import PRECISIONS
from benchmarks import NETWORKS
from benchmarks.budget import SGD
from benchmarks.report import add_json_option, save
from minigrad import functional as F
from minigrad import optim
from minigrad.trace import Call, name_layers
from minigrad.trace.work import Array

TERA = 1e12


@dataclass(frozen=True)
class Gpu:
    """What a GPU can do at most, by its maker's data sheet; without sparsity.

    Attributes:
        tflops: by precision, 10^12 floating-point operations a second.
        terabytes: of its memory, 10^12 bytes a second.
    """

    name: str
    tflops: dict[str, float]
    terabytes: float


GPUS = {
    "a100": Gpu("A100 SXM 80 GB", {"float32": 19.5, "tf32": 156, "bf16": 312}, 2.04),
    "h100": Gpu("H100 SXM", {"float32": 66.9, "tf32": 494.7, "bf16": 989.4}, 3.35),
    "h200": Gpu("H200 SXM", {"float32": 66.9, "tf32": 494.7, "bf16": 989.4}, 4.8),
    "rtx4090": Gpu("GeForce RTX 4090", {"float32": 82.6, "tf32": 82.6, "bf16": 165.2}, 1.01),
}
# Of a batch, the numbers of these arrays do not grow with it.
_OF_PARAMETERS = {"weight", "bias", "grad_weight", "grad_bias", "parameter", "gradient", "velocity"}
_PRODUCTS = ("conv2d", "linear")
_STORED_AS_IMAGES = {("linear", "input"), ("linear", "grad_input")}


@dataclass(frozen=True)
class Bound:
    """The least times of the calls of a layer in a phase, or of an update, in seconds.

    Attributes:
        arithmetic, memory: that of all FLOPs, and that of all bytes.
        seconds: of each call the longer one.
    """

    name: str
    flops: int
    bytes: int
    arithmetic: float
    memory: float
    seconds: float


def step_of_one_image(arch: str) -> list[Call]:
    """The calls of kernels in a training step; those of a GPU are the same."""
    network = ARCHITECTURES[arch]
    model = network(init="torch")
    name_layers(named_layers(model))
    optimizer = optim.SGD(model.parameters(), **SGD)
    side = network.default_image_size
    images = mg.Tensor(np.zeros((1, 3, side, side), np.float32))
    with mg.trace() as trace:
        F.cross_entropy(model(images), np.zeros(1, np.int64)).backward()
        optimizer.step()
    return trace.calls


def bounds(calls: list[Call], gpu: Gpu, precision: str, batch: int) -> list[Bound]:
    """Of the calls of `step_of_one_image`, for a batch; those of one layer and phase together."""
    rows: dict[str, list[Bound]] = {}
    for call in calls:
        name = "update" if call.phase == "update" else f"{call.layer or 'loss'} {call.phase}"
        rows.setdefault(name, []).append(_bound(name, call, gpu, precision, batch))
    return [_sum(name, parts) for name, parts in rows.items()]


def _bound(name: str, call: Call, gpu: Gpu, precision: str, batch: int) -> Bound:
    family = call.work.operation.partition(".")[0]
    arrays = call.work.arrays
    flops = call.work.flops * (1 if call.phase == "update" else batch)
    moved = sum(_bytes(array, family, precision, batch) for array in arrays)
    if call.phase == "update":
        moved = call.work.bytes  # two of the arrays are read and written
    rate = gpu.tflops[precision if family in _PRODUCTS else "float32"] * TERA
    arithmetic, memory = flops / rate, moved / (gpu.terabytes * TERA)
    return Bound(name, flops, moved, arithmetic, memory, max(arithmetic, memory))


def _bytes(array: Array, family: str, precision: str, batch: int) -> int:
    """Images are stored in bfloat16 where products are made in it."""
    if array.name in _OF_PARAMETERS:
        return array.nbytes
    is_image = len(array.shape) == 4 or (family, array.name) in _STORED_AS_IMAGES
    is_half = precision == "bf16" and array.dtype == "float32" and is_image
    return array.nbytes * batch // (2 if is_half else 1)


def _sum(name: str, parts: list[Bound]) -> Bound:
    numbers = zip(*((b.flops, b.bytes, b.arithmetic, b.memory, b.seconds) for b in parts))
    return Bound(name, *map(sum, numbers))


def _table(rows: list[Bound], batch: int) -> list[str]:
    width = max(len(row.name) for row in rows)
    lines = [f"{'':<{width}}{'GFLOP':>9}{'MB':>9}{'arithmetic':>12}{'memory':>9}{'ms':>9}"]
    total = _sum("sum", rows)
    for row in [*rows, total]:
        lines.append(
            f"{row.name:<{width}}{row.flops / 1e9:>9.1f}{row.bytes / 1e6:>9.0f}"
            f"{1e3 * row.arithmetic:>12.3f}{1e3 * row.memory:>9.3f}{1e3 * row.seconds:>9.3f}"
        )
    return [*lines, f"at most {batch / total.seconds:,.0f} images/s"]


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(
        prog="python -m benchmarks.roofline",
        description="The least time of each layer in a training step on a GPU, by its arithmetic "
        "and by its bytes. Nothing is measured.",
        epilog="example: python -m benchmarks.roofline --device h100 --precision bf16 --batch 256",
    )
    parser.add_argument("--device", choices=GPUS, default="h200", help="default: h200")
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--precision", choices=PRECISIONS, nargs="+", default=["tf32", "bf16"])
    add_json_option(parser)
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    gpu, calls = GPUS[arguments.device], step_of_one_image(arguments.arch)
    results: dict[str, Any] = {}
    for precision in dict.fromkeys(arguments.precision):
        rows = bounds(calls, gpu, precision, arguments.batch)
        results[precision] = [asdict(row) for row in rows]
        print(
            f"training step of {arguments.arch}, batch {arguments.batch}, on a {gpu.name}: "
            f"{gpu.tflops[precision]:g} TFLOP/s in {precision}, {gpu.terabytes:g} TB/s\n"
        )
        print(*_table(rows, arguments.batch), "", sep="\n")
    report = {"kind": "roofline", "arch": arguments.arch, "batch": arguments.batch}
    save({**report, "device": asdict(gpu), "results": results}, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 7 where no file can be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
