"""``python -m benchmarks.startup``: what it costs to import the engine and to take a first step.

The kernels are compiled when they are first called and cached beside their source, so the first
step is measured twice: with an empty cache, and with the one that this has filled.
"""

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

import numpy as np

from alexnet import cli
from alexnet.model import ARCHITECTURES
from benchmarks import NETWORKS, machine, peer
from benchmarks.contestant import OURS
from benchmarks.entry import Contestant, Entry, Work, started
from benchmarks.report import add_json_option, save

IMPORTS = 5  # processes, of which the median counts
LATER = 5  # steps after the first, of which the median counts


@dataclass(frozen=True)
class Start:
    """Seconds until the first step is done, beginning when the network exists."""

    name: str
    first_step: float
    later_step: float

    @property
    def extra(self) -> float:
        return self.first_step - self.later_step


def import_seconds(module: str) -> float:
    """How long a fresh process takes to import it."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    seconds = [
        float(
            subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
        )
        for _ in range(IMPORTS)
    ]
    return float(np.median(seconds))


def first_steps(name: str, contestant: Contestant) -> Start:
    seconds = [contestant.ask("step") for _ in range(1 + LATER)]
    return Start(name, seconds[0], float(np.median(seconds[1:])))


def measure(work: Work, with_torch: bool) -> list[Start]:
    """Cold, then warm, then PyTorch's eager and compiled forms.

    Raises:
        Failed: a process did not run.
    """
    starts = []
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold: kernels are compiled", "warm: kernels come from the cache"):
            with started(Entry(OURS), work, cache=cache) as contestant:
                starts.append(first_steps(name, contestant))
    with tempfile.TemporaryDirectory() as cache:
        for form in ("eager", "compiled") if with_torch else ():
            entry = Entry(form)
            with started(entry, work, cache=cache) as contestant:
                starts.append(first_steps(entry.name, contestant))
    return starts


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.startup",
        description="Time imports, and the first training step with and without compiled kernels.",
        epilog="example: python -m benchmarks.startup --batch 32",
    )
    parser.add_argument("--arch", choices=NETWORKS, default="alexnet")
    parser.add_argument("--batch", type=cli.count, default=32, metavar="N", help="default: 32")
    add_json_option(parser)
    arguments = parser.parse_args(argv)

    torch = peer.import_torch()
    about = machine.introduce(peer.versions(torch))
    imports = {m: import_seconds(m) for m in ("minigrad", *(["torch"] if torch else []))}
    for module, seconds in imports.items():
        print(f"import {module}: {seconds:.2f} s")
    side = ARCHITECTURES[arguments.arch].default_image_size
    work = Work(arguments.arch, arguments.batch, side, training=True)
    starts = measure(work, torch is not None)
    print(f"\ntraining step of {arguments.arch}, batch {arguments.batch}, seconds")
    print(f"{'':<36}{'first step':>12}{'later step':>12}{'more':>8}")
    for start in starts:
        print(
            f"{start.name:<36}{start.first_step:>12.2f}{start.later_step:>12.2f}{start.extra:>8.2f}"
        )
    report = {
        "kind": "startup",
        "arch": arguments.arch,
        "batch": arguments.batch,
        "about": about,
        "imports": imports,
        "starts": [asdict(start) for start in starts],
    }
    save(report, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a process fails, 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
