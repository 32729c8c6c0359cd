"""``python -m tests.alexnet.processes.disturbed_train``: a training, disturbed in one process.

The environment variable DISTURBANCE says what, in JSON: in which call, from 1, of which function of
which module; the rank of the process; and the statement that it executes before that call.
"""

import functools
import importlib
import json
import os
import sys

from alexnet import train
from alexnet.model import ARCHITECTURES
from minigrad import distributed
from tests.alexnet.narrow import NarrowAlexNet


def disturb(rank: int, module: str, name: str, call: int, statement: str) -> None:
    owner = importlib.import_module(module)
    *path, attribute = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, attribute), 0

    @functools.wraps(original)
    def disturbed(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            exec(statement)
        return original(*arguments, **options)

    if distributed.world().rank == rank:
        setattr(owner, attribute, disturbed)


if __name__ == "__main__":
    ARCHITECTURES["alexnet"] = NarrowAlexNet
    if "DISTURBANCE" in os.environ:
        disturb(**json.loads(os.environ["DISTURBANCE"]))
    sys.exit(train.main())
