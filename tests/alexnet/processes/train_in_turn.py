"""``mpiexec -n N python -m tests.alexnet.processes.train_in_turn FILE``: several narrow trainings.

The file holds a list of commands in JSON, each the arguments of alexnet.train; the N processes run
one after the other, which takes a fraction of the time of as many starts. Process R writes the exit
codes and what was printed to FILE.R.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numba

from alexnet import train
from alexnet.model import ARCHITECTURES
from minigrad import distributed
from minigrad.kernels.shared import bfloat16
from tests.alexnet.narrow import NarrowAlexNet


def run(command: list[str]) -> dict:
    """Exit code and output of a training; of what rank 1 alone is given, the mark is removed."""
    rank = distributed.world().rank
    own = [word.removeprefix("rank 1: ") for word in command if rank == 1 or word[:5] != "rank "]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = train.main(own)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    ARCHITECTURES["alexnet"] = NarrowAlexNet
    bfloat16.SUPPORTED = True  # as in tests/conftest.py
    numba.set_num_threads(1)
    path = Path(sys.argv[1])
    results = [run(command) for command in json.loads(path.read_text())]
    Path(f"{path}.{distributed.world().rank}").write_text(json.dumps(results))
