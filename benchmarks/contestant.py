"""One engine's step in a process of its own, for `benchmarks.step`.

A process of its own has its own allocator settings and its own peak of memory, and nothing of the
others in its caches. It answers each word on stdin with a line of JSON on stdout:

    loss   the loss of the untrained network without dropout, to compare
    step   the seconds of one step
    peak   the most memory it held since it was built, bytes
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alexnet.model import ARCHITECTURES
from benchmarks import peer
from minigrad import Tensor, backend, manual_seed, no_grad, optim
from minigrad import functional as F

SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4}
OURS = "minigrad"
FORMS = ("eager", "channels-last", "compiled")  # of PyTorch


def _batch(size: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 3, side, side), np.float32), rng.integers(0, 1000, size)


def _ours(
    arch: str, size: int, side: int, training: bool
) -> tuple[Callable[[], float], Callable[[], None]]:
    images, labels = _batch(size, side)
    images = Tensor(backend.get("cpu").images(images))
    model = ARCHITECTURES[arch](image_size=side)
    optimizer = optim.SGD(model.parameters(), **SGD)

    def infer():
        with no_grad():
            return model(images)

    def train():
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        model.zero_grad()

    model.eval()
    loss = F.cross_entropy(infer(), labels).item()
    if training:
        model.train()
    return lambda: loss, train if training else infer


def _torch(
    form: str, arch: str, size: int, side: int, training: bool, without_norm: bool
) -> tuple[Callable[[], float], Callable[[], None]]:
    torch = importlib.import_module("torch")
    images, labels = map(torch.from_numpy, _batch(size, side))
    model = peer.network(torch, ARCHITECTURES[arch](image_size=side), without_norm)
    if form == "channels-last":
        images = images.to(memory_format=torch.channels_last)
        model = model.to(memory_format=torch.channels_last)
    elif form == "compiled":
        model = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), fused=True, **SGD)

    def infer():
        with torch.no_grad():
            return model(images)

    def train():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    model.eval()
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(images), labels).item()
    if training:
        model.train()
    return lambda: loss, train if training else infer


def _forget_peak() -> None:
    """Building the network is not part of a step (Linux only)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def main(argv: list[str]) -> None:
    """Serve until stdin ends; the arguments come from `benchmarks.step`."""
    # Whatever libraries print goes to stderr: stdout carries the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    options = json.loads(argv[0])
    form, without_norm = options.pop("form"), options.pop("without_norm")
    manual_seed(0)
    if form == OURS:
        loss, step = _ours(**options)
    else:
        loss, step = _torch(form, without_norm=without_norm, **options)

    def timed() -> float:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    _forget_peak()
    commands = {"loss": loss, "step": timed, "peak": _peak}
    for line in sys.stdin:
        print(json.dumps(commands[line.strip()]()), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
