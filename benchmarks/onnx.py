"""``python -m benchmarks.onnx``: a network's forward pass beside onnxruntime with its ONNX file.

Each program runs in a process of its own and reads the network from its own file: a slim
checkpoint, and the .onnx file that was made from it. Both use the same number of threads.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError
from alexnet.export import onnx_file
from alexnet.export.slim import slim
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from benchmarks import machine
from benchmarks.contestant import OURS
from benchmarks.report import add_json_option, save
from benchmarks.step import SCORE_TOLERANCE, Contestant, Failed, answering
from benchmarks.timing import Sample, interleaved, interval, ratio
from minigrad import manual_seed, optim

OTHER = "onnxruntime"
BATCHES = (1, 8, 32, 128)
# After a forward pass onnxruntime's threads look for work for 40 ms, which would be taken from the
# program whose turn is next.
PAUSE = 0.1


@dataclass(frozen=True)
class Files:
    """A network in files: their bytes, and where those are that the programs read."""

    checkpoint: Path
    onnx: Path
    bytes: dict[str, int]


@dataclass(frozen=True)
class Result:
    """The forward passes of a batch by both programs."""

    arch: str
    batch: int
    ours: Sample
    other: Sample

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Our median over the other one, with its 95% confidence interval."""
        return ratio(self.ours, self.other)


def write(arch: str, folder: Path) -> Files:
    """An untrained network of 1000 classes, as training keeps it, slim, and for onnxruntime."""
    manual_seed(0)
    model = ARCHITECTURES[arch]()
    preprocessing = Preprocessing(
        image_size=model.default_image_size, mean=(124, 117, 104), scale=1 / 64
    )
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    checkpoint = Checkpoint(
        arch,
        [f"class {number}" for number in range(1000)],
        preprocessing,
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
    )
    full, slim_file, onnx = (folder / f"{arch}{end}" for end in ("", "-slim.safetensors", ".onnx"))
    checkpoint.save(full)
    slim(checkpoint).save(slim_file)
    onnx_file.save(checkpoint, onnx)
    sizes = {"checkpoint": full, "slim checkpoint": slim_file, "onnx": onnx}
    found = {name: path.stat().st_size for name, path in sizes.items()}
    full.unlink()
    return Files(slim_file, onnx, found)


def measure(arch: str, files: Files, batch: int, repeats: int) -> Result:
    """Let both programs take turns.

    Raises:
        Failed: one cannot run, or their logits differ.
    """
    programs = [
        [sys.executable, "-m", "benchmarks.onnx_contestant", str(path), str(batch)]
        for path in (files.checkpoint, files.onnx)
    ]
    with ExitStack() as stack:
        ours, other = [stack.enter_context(answering(program)) for program in programs]
        logits, others = (np.array(program.ask("check")) for program in (ours, other))
        difference = np.abs(logits - others).max() / np.abs(logits).max()
        if not difference <= SCORE_TOLERANCE:
            raise Failed(f"logits of {OTHER} differ from ours by {difference:.1e} of the largest")
        turns = [lambda p=program: _step(p) for program in (ours, other)]
        return Result(arch, batch, *interleaved(turns, repeats))


def _step(program: Contestant) -> float:
    time.sleep(PAUSE)
    return program.ask("step")


HEADER = (
    f"{'network':<10}{'batch':>6}{OURS + ' ms':>14}{'p10-p90':>18}"
    f"{OTHER + ' ms':>16}{'p10-p90':>18}{'ours / this':>13}{'95%':>12}"
)


def line(result: Result) -> str:
    columns = f"{result.arch:<10}{result.batch:>6}"
    for sample, width in ((result.ours, 14), (result.other, 16)):
        spread = f"{1e3 * sample.p10:.1f}-{1e3 * sample.p90:.1f}"
        columns += f"{1e3 * sample.median:>{width}.1f}{spread:>18}"
    middle, low, high = result.ratio
    return f"{columns}{middle:>13.2f}{interval(low, high):>12}"


def sizes(arch: str, files: Files) -> str:
    """The files of a network, in MB."""
    listed = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in files.bytes.items())
    return f"{arch}: {listed}"


def _about() -> dict[str, Any]:
    """What the benchmark runs on, printed.

    Raises:
        UsageError: onnx or onnxruntime is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"this benchmark needs {error.name}, which is not installed: "
            "pip install onnx onnxruntime"
        ) from error
    versions = {module.__name__: module.__version__ for module in (onnx, onnxruntime)}
    about = machine.describe() | versions
    for warning in machine.warnings():
        cli.say(f"warning: {warning}")
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    return about


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.onnx",
        description="Time the forward pass of this engine and of onnxruntime, in turn, from the "
        "pixels of images to logits.",
    )
    parser.add_argument(
        "--arch", choices=ARCHITECTURES, nargs="+", default=list(ARCHITECTURES), help="default: all"
    )
    parser.add_argument(
        "--batches", type=cli.count, nargs="+", default=BATCHES, metavar="N", help="of images"
    )
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    arguments = parser.parse_args(argv)

    about = _about()
    print(
        f"forward pass, {about['threads']} threads each, medians of {arguments.repeats}\n{HEADER}"
    )
    results, files = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for arch in arguments.arch:
            files[arch] = write(arch, Path(folder))
            for batch in arguments.batches:
                try:
                    results.append(measure(arch, files[arch], batch, arguments.repeats))
                except Failed as error:
                    cli.say(f"error: {error}")
                    return 1
                print(line(results[-1]), flush=True)
    print("\n".join(["", *(sizes(arch, files[arch]) for arch in arguments.arch)]))
    save(_report(results, files, about), arguments.json)
    return 0


def _report(
    results: list[Result], files: dict[str, Files], about: dict[str, Any]
) -> dict[str, Any]:
    return {
        "kind": "onnx",
        "about": about,
        "bytes": {arch: written.bytes for arch, written in files.items()},
        "results": [
            {"name": f"{r.arch}, batch {r.batch}, {name}", "seconds": sample.seconds}
            for r in results
            for name, sample in ((OURS, r.ours), (OTHER, r.other))
        ],
    }


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a program fails, 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
