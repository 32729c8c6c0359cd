"""The readers on damaged files: each is read or refused by name, in time, and nothing else happens.

    python -m tests.stress.fuzz_data 100000 --seed 1       # all kinds in turn, a few minutes
    python -m tests.stress.fuzz_data 20000 --only jpeg

Valid small files of each kind (`KINDS`) are damaged and read as the project reads them. A reader
has to end with success or with an error in one line that names the file. Anything else is a
failure: another exception, something printed, more than LIMIT_SECONDS or LIMIT_BYTES, more and more
open files, the death of the process. The damaged file is then kept and its path printed, and the
exit status is 1. Input number i is a function of the seed, i, and the list of kinds.

The readers run in processes of their own, which only a crash or a loop ends early.
"""

import argparse
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from tests.stress.fuzz_kinds import KINDS, Kind

LIMIT_SECONDS = 10.0
LIMIT_BYTES = 4 * 1024**3
LIMIT_OPEN_FILES = 100
MAX_FAILURES = 20
WORKERS = 2

# -- damage -----------------------------------------------------------------------------------

# What length, offset and size fields do not expect.
NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER_BYTES = 256


def flip_bytes(data: bytearray, rng: random.Random, other: bytes) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[rng.randrange(len(data))] ^= rng.randint(1, 255)


def truncate(data: bytearray, rng: random.Random, other: bytes) -> None:
    del data[rng.randrange(len(data)) :]


def splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    """The beginning of this file, the end of another one."""
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def insert_run(data: bytearray, rng: random.Random, other: bytes) -> None:
    """Many 0x00 or 0xff, put between the bytes or in their place."""
    start, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 64, 1000))
    replaced = rng.choice((0, length))
    data[start : start + replaced] = rng.choice((b"\x00", b"\xff")) * length


def repeat_part(data: bytearray, rng: random.Random, other: bytes) -> None:
    start, length = rng.randrange(len(data)), rng.choice((1, 4, 32, 256))
    data[start:start] = data[start : start + length]


def set_field(data: bytearray, rng: random.Random, other: bytes) -> None:
    """A number of 1, 2 or 4 bytes near the beginning, where files keep sizes and offsets."""
    width = rng.choice((1, 2, 4))
    start = rng.randrange(min(len(data), HEADER_BYTES))
    number = rng.choice(NUMBERS) % 256**width
    data[start : start + width] = number.to_bytes(width, rng.choice(("little", "big")))


DAMAGE = (flip_bytes, flip_bytes, truncate, splice, insert_run, repeat_part, set_field, set_field)


class Input(NamedTuple):
    """A damaged file: its kind, the name of the valid file it was made of, its bytes."""

    kind: str
    file: str
    data: bytes


class Corpus:
    """The valid files, below a folder of their own, and the inputs made of them."""

    def __init__(self, folder: Path, kinds: dict[str, Kind], seed: int):
        self.folder = folder
        self.kinds = kinds
        self.seed = seed
        self.files: dict[str, dict[str, bytes]] = {}
        for name, kind in kinds.items():
            (folder / name).mkdir()
            kind.write(folder / name)
            paths = sorted(path for path in (folder / name).rglob("*") if path.is_file())
            self.files[name] = {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    def input(self, index: int) -> Input:
        rng = random.Random(f"{self.seed}/{index}")
        kind = list(self.kinds)[index % len(self.kinds)]
        files = self.files[kind]
        file = rng.choice(list(files))
        data = bytearray(files[file])
        for _ in range(rng.choice((1, 1, 2, 3))):
            if data:
                rng.choice(DAMAGE)(data, rng, rng.choice(list(files.values())))
        repair = self.kinds[kind].repair
        if repair is not None and rng.random() < 0.5:
            data = repair(bytes(data))
        return Input(kind, file, bytes(data))

    def read(self, damaged: Input) -> bool:
        """Whether the input could be read; False where it was refused as it should be.

        Raises:
            Failure: the reader did anything else.
        """
        path = self.folder / damaged.file
        path.write_bytes(damaged.data)
        kind = self.kinds[damaged.kind]
        try:
            kind.read(path)
            return True
        except kind.refusal as error:
            message = str(error)
            if "\n" in message or (path.name not in message and str(path.parent) not in message):
                raise Failure(
                    f"the error is not a line that names the file: {message!r}"
                ) from error
            return False
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise Failure(
                f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
            ) from error
        finally:
            path.write_bytes(self.files[damaged.kind][damaged.file])


class Failure(Exception):
    """A reader did what it must not do."""


# -- processes --------------------------------------------------------------------------------


class Worker:
    """A process that reads inputs `first`, `first + step`, ... below `count`."""

    def __init__(self, kinds: dict[str, Kind], seed: int, first: int, step: int, count: int):
        context = multiprocessing.get_context("fork")
        # Index of the input being read, so that it is known after a crash; number of those read.
        self.progress = context.Array("q", [first, 0], lock=False)
        self.failures, sending = context.Pipe(duplex=False)
        arguments = (kinds, seed, first, step, count, self.progress, sending)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        sending.close()
        self._seen, self._since = first, time.monotonic()

    def is_late(self) -> bool:
        """Whether the same input has been read for too long."""
        if self.progress[0] != self._seen:
            self._seen, self._since = self.progress[0], time.monotonic()
        return time.monotonic() - self._since > LIMIT_SECONDS

    def received(self) -> list[tuple[int, str]]:
        """Failures since the last call: index and what happened."""
        found = []
        try:
            while self.failures.poll():
                found.append(self.failures.recv())
        except EOFError:
            pass  # the process has ended
        return found


def _work(kinds, seed, first, step, count, progress, failures) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT_OPEN_FILES, LIMIT_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        # Libraries in C print too: both streams go to a file, whose length tells.
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        corpus = Corpus(Path(folder), kinds, seed)
        for index in range(first, count, step):
            progress[0] = index
            damaged = corpus.input(index)
            try:
                progress[1] += corpus.read(damaged)
            except Failure as failure:
                failures.send((index, str(failure)))
            if length := os.fstat(printed.fileno()).st_size:
                lines = os.pread(printed.fileno(), length, 0).decode(errors="replace").splitlines()
                chatter = kinds[damaged.kind].chatter
                if serious := [line for line in lines if not re.fullmatch(chatter, line)]:
                    failures.send((index, "printed: " + " / ".join(serious[:5])))
                os.truncate(printed.fileno(), 0)
                os.lseek(printed.fileno(), 0, os.SEEK_SET)
        progress[0] = count


def fuzz(count: int, seed: int, kinds: dict[str, Kind], save: Path) -> int:
    """Read `count` inputs; returns the number of failures, whose inputs are kept in `save`."""

    started, failures, done, could_be_read = time.monotonic(), 0, 0, 0
    workers = {lane: Worker(kinds, seed, lane, WORKERS, count) for lane in range(WORKERS)}
    reached = dict.fromkeys(workers, 0)
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=count, desc="damaged files", unit="", dynamic_ncols=True) as bar,
    ):
        corpus = Corpus(Path(folder), kinds, seed)

        def report(index: int, problem: str) -> None:
            nonlocal failures
            failures += 1
            damaged = corpus.input(index)
            save.mkdir(parents=True, exist_ok=True)
            path = save / f"{seed}-{index}-{damaged.kind}-{Path(damaged.file).name}"
            path.write_bytes(damaged.data)
            bar.write(f"input {index}, {damaged.kind}: {problem}\n    kept as {path}")

        while workers and failures < MAX_FAILURES:
            time.sleep(0.05)
            for lane, worker in list(workers.items()):
                ended, late = worker.process.exitcode is not None, worker.is_late()
                if late:
                    worker.process.kill()
                    worker.process.join()
                for index, problem in worker.received():
                    report(index, problem)
                index = worker.progress[0]
                reached[lane] = len(range(lane, index, WORKERS))
                if not (ended or late):
                    continue
                del workers[lane]
                could_be_read += worker.progress[1]
                if index < count:
                    report(index, "took too long" if late else _death(worker.process.exitcode))
                    if index + WORKERS < count:
                        workers[lane] = Worker(kinds, seed, index + WORKERS, WORKERS, count)
            done = sum(reached.values())
            bar.update(done - bar.n)
        for worker in workers.values():
            could_be_read += worker.progress[1]
            worker.process.kill()
            worker.process.join()
    seconds = time.monotonic() - started
    print(
        f"{done:,} of {count:,} damaged files (seed {seed}) in {seconds:.0f} s: "
        f"{could_be_read:,} could be read all the same, {failures} failure(s)"
        + (f", kept in {save}" if failures else "")
    )
    return failures


def _death(exitcode: int) -> str:
    if exitcode < 0:
        return f"killed the process with {signal.Signals(-exitcode).name}"
    # The worker itself fails when the reader has used up what it may have.
    return f"ended the process with status {exitcode} (too many open files, perhaps)"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.fuzz_data",
        description="Damaged files have to be read or refused by name, and nothing else.",
    )
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="default: 10,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument(
        "--save",
        type=Path,
        default=Path(tempfile.gettempdir()) / "fuzz_data",
        metavar="DIR",
        help="where files that make a reader fail are kept; default: %(default)s",
    )
    arguments = parser.parse_args()
    kinds = {arguments.only: KINDS[arguments.only]} if arguments.only else KINDS
    return 1 if fuzz(arguments.count, arguments.seed, kinds, arguments.save) else 0


if __name__ == "__main__":
    sys.exit(main())
