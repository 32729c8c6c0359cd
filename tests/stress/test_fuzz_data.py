"""The fuzz command itself: it finds planted faults, and the readers of the project have none."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A reader with a fault of every kind, each for files that begin with a letter of its own.
FAULTY = """
import os, sys, time, warnings
from pathlib import Path

from alexnet.errors import DataError
from tests.stress import fuzz_data
from tests.stress.fuzz_kinds import Kind

files = []


def write(folder):
    (folder / "x").write_bytes(b"good")


def read(path):
    letter = path.read_bytes()[:1]
    if letter == b"k":
        {}["a key"]
    if letter == b"l":
        while True:
            pass
    if letter == b"d":
        os.kill(os.getpid(), 9)
    if letter == b"w":
        warnings.warn("do not print")
    if letter == b"u":
        raise DataError("something is wrong")
    if letter == b"m":
        bytearray(2**33)
    if letter == b"f":
        files.extend(open(path) for _ in range(200))
    if letter == b"n":
        raise DataError(f"{path}: refused")


def letters(data, rng, other):
    data[:1] = rng.choice([b"g"] * 60 + [bytes([letter]) for letter in b"kldwumfnnn"])


fuzz_data.DAMAGE = (letters,)
fuzz_data.LIMIT_SECONDS = 1.0
fuzz_data.MAX_FAILURES = 30
sys.exit(fuzz_data.fuzz(150, 14, {"faulty": Kind(write, read)}, Path(sys.argv[1])) > 0)
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_planted_faults_are_found_and_their_inputs_kept(tmp_path):
    done = run("-c", FAULTY, str(tmp_path / "kept"))
    assert done.returncode == 1, done.stderr
    problems = {
        b"k": "KeyError: 'a key' (<string>, line",
        b"l": "took too long",
        b"d": "killed the process with SIGKILL",
        b"w": "printed: <string>",
        b"u": "the error is not a line that names the file: 'something is wrong'",
        b"m": "MemoryError",
        b"f": "ended the process with status 1 (too many open files, perhaps)",
    }
    kept = {path.read_bytes()[:1]: path for path in (tmp_path / "kept").iterdir()}
    assert kept.keys() == problems.keys()
    report = done.stdout.splitlines()
    for letter, problem in problems.items():
        line = next(i for i, line in enumerate(report) if line.endswith(f"kept as {kept[letter]}"))
        assert problem in report[line - 1], letter
    count = len(list((tmp_path / "kept").iterdir()))
    assert report[-1].startswith("150 of 150 damaged files (seed 14)")
    assert report[-1].endswith(f"{count} failure(s), kept in {tmp_path / 'kept'}")


def test_the_readers_stand_damaged_files(tmp_path):
    done = run(
        "-m", "tests.stress.fuzz_data", "400", "--seed", "7", "--save", str(tmp_path / "kept")
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("400 of 400 damaged files (seed 7)")
    assert not (tmp_path / "kept").exists()


def test_inputs_are_a_function_of_the_seed(tmp_path):
    from tests.stress.fuzz_data import Corpus
    from tests.stress.fuzz_kinds import KINDS

    def inputs(folder, seed):
        folder.mkdir()
        corpus = Corpus(folder, {name: KINDS[name] for name in ("png", "ppm")}, seed)
        return [corpus.input(index) for index in range(60)]

    first = inputs(tmp_path / "1", 1)
    assert first == inputs(tmp_path / "again", 1)
    assert first != inputs(tmp_path / "2", 2)
    assert [one.kind for one in first[:2]] == ["png", "ppm"]
