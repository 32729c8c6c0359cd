"""``python -m benchmarks.onnx``: a network's forward pass beside onnxruntime with its ONNX file.

Several networks and batches, each as `benchmarks.step --inference --forms onnxruntime` times it;
and the bytes of each network's files.
"""

import sys
import tempfile
from pathlib import Path

from alexnet import cli
from alexnet.errors import Failed, UsageError
from alexnet.export import onnx_file
from alexnet.export.slim import slim
from alexnet.model import ARCHITECTURES
from alexnet.run import environment
from benchmarks import NETWORKS, machine, runtimes, step
from benchmarks.contestant import OURS
from benchmarks.entry import Entry, Work, obstacle
from benchmarks.precision import FLOAT32
from benchmarks.report import add_json_option, save
from benchmarks.timing import interval
from minigrad import manual_seed, optim

OTHER = "onnxruntime"
BATCHES = (1, 8, 32, 128)


def file_sizes(arch: str) -> dict[str, int]:
    """Bytes of an untrained network as training keeps it, slim, and for onnxruntime."""
    manual_seed(0)
    model = ARCHITECTURES[arch]()
    checkpoint = runtimes.checkpoint(arch, model, model.default_image_size)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    checkpoint.optimizer = optimizer.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        full, slim_file, onnx = (Path(folder) / f"network{end}" for end in ("", ".slim", ".onnx"))
        checkpoint.save(full)
        slim(checkpoint).save(slim_file)
        onnx_file.save(checkpoint, onnx)
        files = {"checkpoint": full, "slim checkpoint": slim_file, "onnx": onnx}
        return {name: path.stat().st_size for name, path in files.items()}


def measure(arch: str, batch: int, repeats: int) -> list[step.Result]:
    """Ours and onnxruntime's forward passes, in turn.

    Raises:
        Failed: one cannot run, or their logits differ.
    """
    work = Work(arch, batch, ARCHITECTURES[arch].default_image_size, training=False)
    results = step.measure([Entry(OURS), Entry(OTHER)], work, repeats)
    if len(results) < 2:
        raise Failed(f"{OTHER} computes something else: {arch}, batch {batch}")
    return results


HEADER = (
    f"{'network':<10}{'batch':>6}{OURS + ' ms':>14}{'p10-p90':>18}"
    f"{OTHER + ' ms':>16}{'p10-p90':>18}{'ours / this':>13}{'95%':>12}"
)


def line(arch: str, batch: int, results: list[step.Result]) -> str:
    columns = f"{arch:<10}{batch:>6}"
    for result, width in zip(results, (14, 16)):
        spread = f"{1e3 * result.sample.p10:.1f}-{1e3 * result.sample.p90:.1f}"
        columns += f"{1e3 * result.sample.median:>{width}.1f}{spread:>18}"
    middle, low, high = results[1].ratio
    return f"{columns}{middle:>13.2f}{interval(low, high):>12}"


def listed(arch: str, sizes: dict[str, int]) -> str:
    """The files of a network, in MB."""
    of_files = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items())
    return f"{arch}: {of_files}"


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.onnx",
        description="Time the forward pass of this engine and of onnxruntime, in turn.",
    )
    parser.add_argument(
        "--arch", choices=NETWORKS, nargs="+", default=list(NETWORKS), help="default: all"
    )
    parser.add_argument(
        "--batches", type=cli.count, nargs="+", default=BATCHES, metavar="N", help="of images"
    )
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    add_json_option(parser)
    arguments = parser.parse_args(argv)

    if problem := obstacle(OTHER, [FLOAT32], training=False):
        raise UsageError(f"this benchmark needs {OTHER}: {problem}")
    about = machine.introduce({OTHER: environment.package_version(OTHER)})
    print(
        f"forward pass, {about['threads']} threads each, medians of {arguments.repeats}\n{HEADER}"
    )
    report = {"kind": "onnx", "about": about, "bytes": {}, "results": []}
    for arch in arguments.arch:
        for batch in arguments.batches:
            results = measure(arch, batch, arguments.repeats)
            print(line(arch, batch, results), flush=True)
            report["results"] += [
                {"name": f"{arch}, batch {batch}, {r.name}", "seconds": r.sample.seconds}
                for r in results
            ]
        report["bytes"][arch] = file_sizes(arch)
    print("\n".join(["", *(listed(*entry) for entry in report["bytes"].items())]))
    save(report, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a program fails, 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
