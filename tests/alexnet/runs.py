"""What tests of runs share: images, options, a run that gets signals, and the comparison of two."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet import train
from alexnet.run.checkpoint import BEST, LAST
from alexnet.run.metrics import TIMING_COLUMNS
from minigrad import io

ROOT = Path(__file__).parents[2]
CLASSES = ("blue", "green", "red")
OPTIONS = ("--data", "folder", "--image-size", "67", "-b", "4", "--epochs", "2")
STEPS_PER_EPOCH = 5  # 8 images a class, of which 6 are to learn from

# A narrow network is trained, and the process sends itself signals in the middle of something.
SIGNALLED = """\
import os, sys
import numba
from alexnet import train
from alexnet.model import ARCHITECTURES
from tests.alexnet.narrow import NarrowAlexNet
import {module} as module

numba.set_num_threads(1)
ARCHITECTURES["alexnet"] = NarrowAlexNet
calls = 0

def signalled(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        for number in {numbers}:
            os.kill(os.getpid(), number)
    return original(*arguments, **options)

original, module.{name} = module.{name}, signalled
sys.exit(train.main(sys.argv[1:]))
"""


def write_images(root, classes=CLASSES, count=8):
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 90, (80, 75 + i, 3), np.uint8)
            pixels[:, :, CLASSES[::-1].index(name)] += 120
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def resume(folder, *options):
    return train.main(["--resume", str(folder), *options])


def run_signalled(photos, folder, where, numbers):
    """A finished process that sent itself signals in a call: `where` is (module, name, call)."""
    module, name, call = where
    script = SIGNALLED.format(module=module, name=name, call=call, numbers=numbers)
    command = [sys.executable, "-c", script, *OPTIONS, "--data-root", photos, "--out", folder]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in TIMING_COLUMNS} for row in rows]


def assert_same_run(folder, other):
    """The same weights, optimizer state and metrics, bit for bit."""
    for name in (LAST, BEST):
        one, two = (io.load(path / name)[0] for path in (folder, other))
        assert one.keys() == two.keys()
        for array in one:
            assert one[array].tobytes() == two[array].tobytes(), (name, array)
    assert rows_of(folder) == rows_of(other)
