"""One engine's step in a process of its own, for `benchmarks.step`.

A process of its own has its own allocator settings and its own peak of memory, and nothing of the
others in its caches. It answers each word on stdin with a line of JSON on stdout:

    check  class scores of the untrained network without dropout and, for training, the norm of
           the gradient of each parameter: what the engines must agree on
    step   the seconds of one step
    peak   the most memory it held since its first step, bytes; null where nobody knows
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numba
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
) -> tuple[Callable[[], dict], Callable[[], None]]:
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

    def check():
        model.eval()
        scores = model(images)
        norms = []
        if training:
            F.cross_entropy(scores, labels).backward()
            norms = [float(np.linalg.norm(p.grad.numpy())) for p in model.parameters()]
            model.zero_grad()
            model.train()
        return {"scores": scores.numpy().ravel().tolist(), "norms": norms}

    return check, train if training else infer


def _torch(
    form: str, arch: str, size: int, side: int, training: bool, without_norm: bool
) -> tuple[Callable[[], dict], Callable[[], None]]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(numba.get_num_threads())
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

    def check():
        model.eval()
        scores = model(images)
        norms = []
        if training:
            torch.nn.functional.cross_entropy(scores, labels).backward()
            norms = [parameter.grad.norm().item() for parameter in model.parameters()]
            model.train()
        return {"scores": scores.detach().numpy().ravel().tolist(), "norms": norms}

    return check, train if training else infer


class _Memory:
    """The peak of this process since `forget`, as Linux knows it."""

    def __init__(self):
        self.known = False

    def forget(self) -> None:
        """Building and compiling the network are not part of a step."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self.known = True
        except OSError:
            self.known = False

    def peak(self) -> int | None:
        if not self.known:
            return None
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def open_answers() -> TextIO:
    """Standard output, for answers alone: whatever libraries print goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(commands: dict[str, Callable[[], Any]], answers: TextIO) -> None:
    """Answer each word on stdin with what its function returns, until stdin ends."""
    for line in sys.stdin:
        print(json.dumps(commands[line.strip()]()), file=answers, flush=True)


def main(argv: list[str]) -> None:
    """Serve; the arguments come from `benchmarks.step`."""
    answers = open_answers()
    options = json.loads(argv[0])
    form, without_norm = options.pop("form"), options.pop("without_norm")
    manual_seed(0)
    if form == OURS:
        check, step = _ours(**options)
    else:
        check, step = _torch(form, without_norm=without_norm, **options)

    memory = _Memory()

    def timed() -> float:
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        if not memory.known:
            memory.forget()
        return seconds

    serve({"check": check, "step": timed, "peak": memory.peak}, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
