"""``python -m benchmarks.memory``: the memory that a training takes, and what --dry-run says of it.

Each batch size is trained for a whole epoch, with validation, checkpoint, watch and curves, in a
process of its own, whose peak of resident memory the system tells when it has ended.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

from alexnet import cli
from alexnet.errors import Failed
from benchmarks import machine
from benchmarks.report import add_json_option, save

BATCHES = (8, 32, 128)
# Enough that all batches are loaded ahead that ever are; the demo set has so many images.
STEPS, IMAGES = 6, 1000
ESTIMATE = re.compile(r"^memory +about ([\d.]+) GB", re.MULTILINE)
# Of ru_maxrss: kilobytes on Linux, bytes on macOS.
UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Result:
    """Bytes that --dry-run says a training takes, and that it took."""

    batch: int
    estimate: float
    measured: int

    @property
    def error(self) -> float:
        return self.estimate / self.measured - 1


def command(batch: int, options: list[str]) -> list[str]:
    """A training of few steps."""
    images = min(STEPS * batch, IMAGES)
    size = ["-b", str(batch), "--subset", str(images), "--epochs", "1"]
    return [sys.executable, "-m", "alexnet.train", "--data", "demo", *size, *options]


def estimate(training: list[str]) -> float:
    """The bytes that --dry-run says it takes.

    Raises:
        Failed: it ended with an error.
    """
    result = subprocess.run([*training, "--dry-run"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise _failed(result.returncode, result.stderr)
    return 1e9 * float(ESTIMATE.search(result.stdout)[1])


def peak(training: list[str], compiles: bool) -> int:
    """The most bytes that it held.

    What this process holds when it starts another counts as that one's, too: it has to stay small.

    Args:
        compiles: with an empty cache of kernels, so that they are compiled.

    Raises:
        Failed: it ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as printed:
        environment = os.environ | ({"NUMBA_CACHE_DIR": f"{folder}/cache"} if compiles else {})
        process = subprocess.Popen(
            [*training, "--out", f"{folder}/run"], env=environment, stdout=printed, stderr=printed
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise _failed(process.returncode, printed.read())
    return UNIT * usage.ru_maxrss


def _failed(code: int, printed: str) -> Failed:
    """The error of a training, after all that it printed, which may be a traceback."""
    cli.say(printed.rstrip())
    return Failed(f"a training ended with exit code {code}, see above")


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.memory",
        description="Train on a few images, and compare the peak of memory with the estimate.",
        epilog="example: python -m benchmarks.memory --batches 8 32 -- --arch owt --optimizer adam",
    )
    parser.add_argument(
        "--batches", type=cli.count, nargs="+", default=BATCHES, metavar="N", help="of images"
    )
    parser.add_argument("--cold", action="store_true", help="compile the kernels in each training")
    parser.add_argument("options", nargs="*", help="of alexnet.train, after --")
    add_json_option(parser)
    arguments = parser.parse_args(argv)

    about = machine.describe()
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    print(f"\n{'batch':>6}{'estimate GB':>13}{'measured GB':>13}{'error':>8}")
    results = []
    for batch in arguments.batches:
        training = command(batch, arguments.options)
        expected = estimate(training)  # first, because it compiles kernels
        results.append(Result(batch, expected, peak(training, arguments.cold)))
        result = results[-1]
        print(
            f"{batch:>6}{result.estimate / 1e9:>13.2f}{result.measured / 1e9:>13.2f}"
            f"{result.error:>+8.1%}",
            flush=True,
        )
    report = {
        "kind": "memory",
        "options": arguments.options,
        "cold": arguments.cold,
        "about": about,
        "results": [asdict(result) for result in results],
    }
    save(report, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a training fails, 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
