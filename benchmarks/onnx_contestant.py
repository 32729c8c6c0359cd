"""The forward pass of a network from a file, in a process of its own, for `benchmarks.onnx`.

Both programs get the same pixels and subtract the mean and scale themselves. Each word on stdin is
answered with a line of JSON on stdout:

    check  the logits, one after the other
    step   the seconds of one forward pass that follows others
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from alexnet.data.loader import Batch
from alexnet.data.transforms import NO_SHIFT, View
from alexnet.run.checkpoint import Checkpoint
from benchmarks.contestant import open_answers, serve
from minigrad import Tensor, backend, no_grad

# Seconds of forward passes before the one that is timed: after a pause the first ones are slower.
WARM_UP = 0.1


def _pixels(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def _ours(path: Path, count: int) -> Callable[[], np.ndarray]:
    checkpoint, cpu = Checkpoint.load(path), backend.get("cpu")
    model, labels = checkpoint.build(), np.zeros(count, np.int64)
    pixels = _pixels(count, checkpoint.preprocessing.image_size)
    views = [View(crop, False, NO_SHIFT) for crop in pixels]
    batch = Batch.from_views(views, labels, np.arange(count), checkpoint.preprocessing)

    def infer():
        with no_grad():
            return model(Tensor(batch.prepare(cpu))).numpy()

    return infer


def _onnxruntime(path: Path, count: int) -> Callable[[], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = numba.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    pixels = _pixels(count, images.shape[1])
    return lambda: session.run(["logits"], {images.name: pixels})[0]


def forward_pass(path: Path, count: int) -> Callable[[], np.ndarray]:
    """What computes logits (N, C) of `count` images: onnxruntime for an .onnx file, or ours."""
    return (_onnxruntime if path.suffix == ".onnx" else _ours)(path, count)


def main(argv: list[str]) -> None:
    """Serve; the arguments are a file of the network and the number of images in a batch."""
    answers = open_answers()
    infer = forward_pass(Path(argv[0]), int(argv[1]))

    def timed() -> float:
        first = time.perf_counter()
        while time.perf_counter() - first < WARM_UP:
            infer()
        started = time.perf_counter()
        infer()
        return time.perf_counter() - started

    serve({"check": lambda: infer().ravel().tolist(), "step": timed}, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
