"""One engine's step in a process of its own, for `benchmarks.step`.

A process of its own has its own allocator settings and its own peak of memory, and nothing of the
others in its caches. It answers each word on stdin with a line of JSON on stdout:

    check  class scores of the untrained network without dropout and, for training, the norm of
           the gradient of each parameter: what the engines must agree on
    step   the seconds of one step; a forward pass after 0.1 s of others that are not timed
    peak   the most memory it held since its first step, bytes; null where nobody knows
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numba
import numpy as np

from alexnet.model import ARCHITECTURES
from alexnet.precision import products_in
from benchmarks import peer, runtimes
from benchmarks.precision import BF16
from minigrad import PreparedWeights, Tensor, backend, manual_seed, no_grad, optim
from minigrad import functional as F

SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4}
OURS = "minigrad"
FORMS = ("eager", "channels-last", "compiled")  # of PyTorch
# Seconds of forward passes before the one that is timed: after a pause the first ones are slower.
WARM_UP = 0.1

Check, Step = Callable[[], dict], Callable[[], Any]


def _batch(size: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 3, side, side), np.float32), rng.integers(0, 1000, size)


def _ours(arch: str, size: int, side: int, training: bool, precision: str) -> tuple[Check, Step]:
    images, labels = _batch(size, side)
    images = Tensor(backend.get("cpu").images(images))
    model = ARCHITECTURES[arch](image_size=side)
    optimizer = optim.SGD(model.parameters(), **SGD)
    weights = PreparedWeights()  # for inference: the other programs keep theirs prepared, too

    def forward():
        with products_in(precision):
            return model(images)

    def infer():
        with no_grad(), weights.in_use():
            return forward()

    def train():
        F.cross_entropy(forward(), labels).backward()
        optimizer.step()
        model.zero_grad()

    def check():
        model.eval()
        scores = forward() if training else infer()
        norms = []
        if training:
            F.cross_entropy(scores, labels).backward()
            norms = [float(np.linalg.norm(p.grad.numpy())) for p in model.parameters()]
            model.zero_grad()
            model.train()
        return {"scores": scores.numpy().ravel().tolist(), "norms": norms}

    return check, train if training else infer


def _torch(
    form: str,
    arch: str,
    size: int,
    side: int,
    training: bool,
    without_norm: bool,
    precision: str,
) -> tuple[Check, Step]:
    """PyTorch, in bfloat16 under autocast: its parameters are float32 in training.

    For inference they are converted once, which is faster. Autocast is needed there, too: PyTorch
    has no normalization in bfloat16.
    """
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
    autocast = partial(torch.autocast, "cpu", torch.bfloat16, enabled=precision == BF16)
    if precision == BF16 and not training:
        model = model.to(torch.bfloat16)

    def infer():
        with torch.no_grad(), autocast():
            return model(images)

    def forward():
        with autocast():
            scores = model(images)
            return scores, torch.nn.functional.cross_entropy(scores, labels)

    def train():
        optimizer.zero_grad()
        forward()[1].backward()
        optimizer.step()

    def check():
        model.eval()
        if not training:
            return {"scores": infer().float().numpy().ravel().tolist(), "norms": []}
        scores, loss = forward()
        loss.backward()
        norms = [parameter.grad.norm().item() for parameter in model.parameters()]
        model.train()
        return {"scores": scores.detach().float().numpy().ravel().tolist(), "norms": norms}

    return check, train if training else infer


def _runtime(form: str, arch: str, size: int, side: int, precision: str) -> tuple[Check, Step]:
    images, _ = _batch(size, side)
    network = runtimes.checkpoint(arch, ARCHITECTURES[arch](image_size=side), side)
    infer = runtimes.forward_pass(form, precision, network)

    def step():
        return infer(images)

    return lambda: {"scores": step().ravel().tolist(), "norms": []}, step


def contestant(
    form: str,
    arch: str,
    size: int,
    side: int,
    training: bool,
    without_norm: bool = False,
    precision: str = "float32",
) -> tuple[Check, Step]:
    """What answers "check", and what is timed.

    Args:
        form: `OURS`, one of PyTorch's `FORMS`, or a program of `runtimes.RUNTIMES`.
        size: images in a batch, of `side` pixels.
    """
    manual_seed(0)
    if form == OURS:
        return _ours(arch, size, side, training, precision)
    if form in FORMS:
        return _torch(form, arch, size, side, training, without_norm, precision)
    return _runtime(form, arch, size, side, precision)


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
    check, step = contestant(**options)
    memory = _Memory()

    def timed() -> float:
        if not options["training"]:
            first = time.perf_counter()
            while time.perf_counter() - first < WARM_UP:
                step()
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        if not memory.known:
            memory.forget()
        return seconds

    serve({"check": check, "step": timed, "peak": memory.peak}, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
