"""Whether images come as fast as the network takes them: from prepared data onto the device."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.batch import Batch, sent_ahead
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from alexnet.precision import products_in
from benchmarks.feed import SQUARE, write_squares
from benchmarks.gpu_check import contestants
from benchmarks.gpu_check.part import Options, Report
from benchmarks.gpu_check.record import table
from minigrad import Tensor, backend, optim
from minigrad import functional as F

IMAGES, SMALL_IMAGES = 4096, 16  # 4,096 squares are 0.8 GB
SECONDS = 2.0  # of each measurement


def run(options: Options, report: Report) -> None:
    """Loading and training together, training on a batch that is there already, loading alone."""
    report.result("workers", options.workers)
    report.result("batch", options.batch)
    device = backend.get("cuda")
    arch = options.architectures[0]
    side = contestants.image_size(arch, options)
    with tempfile.TemporaryDirectory() as folder:
        squares = write_squares(Path(folder), SMALL_IMAGES if options.small else IMAGES)
        loader = Loader(
            squares,
            Preprocessing(image_size=side, mean=(120.0, 115.0, 104.0), scale=1 / 64),
            options.batch,
            augmentation=Augmentation(),
            shuffle=True,
            workers=options.workers,
            allocate=device.host_empty,
        )
        seconds = SECONDS / 30 if options.small else SECONDS
        model = contestants.network(arch, options).to("cuda")
        optimizer = optim.SGD(model.parameters(), 1e-3, 0.9, 5e-4)

        def learn(images: Any, labels: np.ndarray) -> None:
            with products_in("bf16"):
                loss = F.cross_entropy(model(Tensor(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        def prepared(batch: Batch) -> Any:
            with products_in("bf16"):
                return batch.prepare(device)

        def together(batch: Batch) -> None:
            learn(prepared(batch), batch.labels)

        rates = {}
        first = next(_endless(loader))
        images = prepared(first)
        for name, batches, work in (
            ("loading and steps, as in training", sent_ahead(_endless(loader), device), together),
            ("steps, on one batch", itertools.repeat(first), lambda b: learn(images, b.labels)),
            ("loading, onto the device", sent_ahead(_endless(loader), device), prepared),
        ):
            rates[name] = _images_a_second(batches, work, device, seconds)
            report.result("images/s", rates)


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from loader.batches(epoch)


def _images_a_second(batches: Iterator[Batch], work: Any, device: Any, seconds: float) -> float:
    wait = device.xp.cuda.Device().synchronize
    for batch in itertools.islice(batches, 3):  # what is allocated, and what is loaded ahead
        work(batch)
    wait()
    count, started = 0, time.perf_counter()
    while time.perf_counter() < started + seconds:
        batch = next(batches)
        work(batch)
        count += len(batch)
    wait()
    return count / (time.perf_counter() - started)


def summary(results: dict[str, Any]) -> list[str]:
    """Images a second."""
    lines = [
        f"Squares of {SQUARE} pixels from prepared data in the page cache, random crops, mirroring "
        f"and color noise, batch {results['batch']}, {results['workers']} workers, bfloat16."
    ]
    rows = [[name, f"{rate:.0f}"] for name, rate in results["images/s"].items()]
    return lines + table(["", "images/s"], rows)
