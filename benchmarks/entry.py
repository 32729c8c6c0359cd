"""What `benchmarks.step` times: this engine or another program, each in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from alexnet.errors import Failed
from benchmarks.contestant import FORMS
from benchmarks.precision import BF16, FLOAT32
from benchmarks.runtimes import RUNTIMES

# By default the allocator of Linux gives freed memory back and PyTorch pays for every page again in
# every step. These settings keep it.
KEEP_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


@dataclass(frozen=True)
class Entry:
    """A line of the table: this engine, PyTorch in one form, or a program that runs ONNX files."""

    form: str
    keeps_pages: bool = False
    without_norm: bool = False
    precision: str = FLOAT32

    @property
    def name(self) -> str:
        """It stays the same whatever else is timed, so that reports can be compared."""
        title = f"PyTorch {self.form}" if self.form in FORMS else RUNTIMES.get(self.form, self.form)
        return (
            title
            + (f" {self.precision}" if self.precision != FLOAT32 else "")
            + (", no norm" if self.without_norm else "")
            + (", keeps pages" if self.keeps_pages else "")
        )


@dataclass(frozen=True)
class Work:
    """What every contestant does."""

    arch: str
    size: int
    side: int
    training: bool


def obstacle(form: str, precisions: Iterable[str], training: bool) -> str | None:
    """Why this program has nothing to show here, in words."""
    if form not in RUNTIMES:
        return None
    if training:
        return "it does not train"
    for module in ("onnx", form):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install {module}"
    if set(precisions) == {BF16} and form == "onnxruntime":
        return "it has no bfloat16 on this CPU"
    return None


class Contestant:
    """The process that takes the steps."""

    def __init__(self, process: subprocess.Popen):
        self.process = process

    def ask(self, word: str):
        """The answer to "check", "step" or "peak".

        Raises:
            Failed: the process has ended.
        """
        try:
            print(word, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Failed(f"a contestant ended with exit code {self.process.wait()}, see above")
        return json.loads(answer)


@contextmanager
def started(
    entry: Entry, work: Work, threads: int | None = None, cache: str | None = None
) -> Iterator[Contestant]:
    """The process of a contestant; it ends with the context.

    Args:
        threads: of our engine; default: all.
        cache: folder of the compiled kernels; default: where they always are.
    """
    options = asdict(entry) | asdict(work)
    del options["keeps_pages"]
    command = [sys.executable, "-m", "benchmarks.contestant", json.dumps(options)]
    environment = os.environ | (KEEP_PAGES if entry.keeps_pages else {})
    if threads:
        environment["NUMBA_NUM_THREADS"] = str(threads)
    if cache:
        environment |= {"NUMBA_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            yield Contestant(process)
        finally:
            with suppress(BrokenPipeError):  # of a word that a process which has ended did not read
                process.stdin.close()
