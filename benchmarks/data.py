"""``python -m benchmarks.data``: images a second from disk to the network's input, and its cost.

A folder of JPEG files of 500x375 pixels is drawn for the purpose and prepared. Both are read by the
loader; the folder also by a plain PyTorch DataLoader with the same steps, written with Pillow and
PyTorch as their manuals do, and with as many workers. Then training steps on images that are in
memory already take turns with steps on images that are loaded meanwhile. `--feed` asks whether the
loader keeps up with a GPU (benchmarks/feed.py).
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from alexnet import cli
from alexnet.data import Dataset, load
from alexnet.data.batch import Batch
from alexnet.data.loader import Loader
from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import Augmentation, Preprocessing
from alexnet.model import AlexNet
from benchmarks import feed, machine, peer
from benchmarks.report import add_json_option, save
from benchmarks.timing import Sample, interleaved, interval, ratio
from minigrad import Tensor, backend, optim
from minigrad import functional as F

WIDTH, HEIGHT, QUALITY = 500, 375, 90
PREPROCESSING = Preprocessing(
    image_size=227, mean=(120.0, 115.0, 104.0), scale=1 / 64, standard_deviations=(120, 35, 20)
)
STEPS_PER_TURN = 3
REPETITIONS = 1000  # of the images, so that no epoch ends while training is measured
SECONDS_TO_FILL = 3  # until what is loaded ahead is there


class Repeated:
    """A data set over and over again."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self.classes = dataset.classes
        self.labels = np.tile(dataset.labels, REPETITIONS)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return self.dataset.image(index % len(self.dataset), square)

    def name(self, index: int) -> str:
        return self.dataset.name(index % len(self.dataset))


def write_photos(folder: Path, count: int) -> None:
    """`count` JPEG files for training and one in four as many for validation."""
    for split, of_split in (("train", count), ("val", max(10, count // 4))):
        dataset = DemoDataset("train", of_split)
        for i in range(of_split):
            image = Image.fromarray(dataset.image(i)).resize((WIDTH, HEIGHT))
            path = folder / split / dataset.classes[dataset.labels[i]] / f"{i:05}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, quality=QUALITY)


def loader(dataset: Dataset, batch_size: int, workers: int) -> Loader:
    return Loader(
        dataset,
        PREPROCESSING,
        batch_size,
        augmentation=Augmentation(),
        shuffle=True,
        workers=workers,
    )


def our_pass(dataset: Dataset, batch_size: int, workers: int) -> Callable[[], float]:
    """Seconds of a pass over all images, to float32 batches."""
    epochs = itertools.count()
    device = backend.get("cpu")

    def one_pass() -> float:
        started = time.perf_counter()
        for batch in loader(dataset, batch_size, workers).batches(next(epochs)):
            batch.prepare(device)
        return time.perf_counter() - started

    return one_pass


class TorchDataset:
    """The same steps for PyTorch's DataLoader, image by image."""

    def __init__(self, torch: ModuleType, files: list[str], labels: np.ndarray):
        self.torch, self.files, self.labels = torch, files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int):
        torch, resize, size = self.torch, PREPROCESSING.resize, PREPROCESSING.image_size
        with open(self.files[index], "rb") as file:
            image = Image.open(file).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        square = square.resize((resize, resize), Image.Resampling.BILINEAR)
        left, top = torch.randint(0, resize - size + 1, (2,)).tolist()
        crop = square.crop((left, top, left + size, top + size))
        if torch.rand(()) < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1).contiguous().float()
        noise = 0.1 * torch.randn(3) * torch.tensor(PREPROCESSING.standard_deviations)
        shift = (noise - torch.tensor(PREPROCESSING.mean)).view(3, 1, 1)
        return (pixels + shift) * PREPROCESSING.scale, int(self.labels[index])


def torch_pass(torch: ModuleType, dataset: Dataset, batch: int, workers: int):
    from torch.utils.data import DataLoader

    images = DataLoader(
        TorchDataset(torch, dataset.files, dataset.labels),
        batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def one_pass() -> float:
        started = time.perf_counter()
        for _ in images:
            pass
        return time.perf_counter() - started

    return one_pass


def training(batches: dict[str, Iterator[Batch]]) -> list[Callable[[], float]]:
    """For each source of batches, the seconds of a training step in the middle of an epoch."""
    device, model = backend.get("cpu"), AlexNet(10)
    optimizer = optim.SGD(model.parameters(), 0.001, 0.9, 5e-4)

    def turn(source: Iterator[Batch]) -> float:
        time.sleep(SECONDS_TO_FILL)
        started = time.perf_counter()
        for batch in itertools.islice(source, STEPS_PER_TURN):
            loss = F.cross_entropy(model(Tensor(batch.prepare(device))), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - started) / STEPS_PER_TURN

    return [lambda source=source: turn(source) for source in batches.values()]


def report_rates(count: int, samples: dict[str, Sample], reference: str) -> None:
    print(f"\n{'':<34}{'images/s':>10}{'times':>8}{'95% interval':>15}")
    for name, sample in samples.items():
        middle, low, high = ratio(samples[reference], sample)
        print(f"{name:<34}{count / sample.median:>10.0f}{middle:>8.2f}{interval(low, high):>15}")


def report_steps(samples: dict[str, Sample]) -> None:
    memory = next(iter(samples.values()))
    print(f"\n{'training step, images from':<34}{'ms':>10}{'more':>8}{'95% interval':>15}")
    for name, sample in samples.items():
        middle, low, high = ratio(sample, memory)
        print(f"{name:<34}{1e3 * sample.median:>10.0f}{middle - 1:>8.1%}{interval(low, high):>15}")


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.data",
        description="Time the way of images from disk to the network's input.",
        epilog="example: python -m benchmarks.data --repeats 9",
    )
    parser.add_argument("--images", type=cli.count, default=1024, metavar="N", help="default: 1024")
    parser.add_argument("--batch", type=cli.count, default=128, metavar="N", help="default: 128")
    parser.add_argument("--workers", type=cli.count, default=2, metavar="N", help="default: 2")
    parser.add_argument("--repeats", type=cli.count, default=7, metavar="N", help="default: 7")
    parser.add_argument(
        "--feed",
        action="store_true",
        help="only how fast prepared data get to where a GPU copies them from, and a model for "
        f"{feed.CORES} cores",
    )
    add_json_option(parser)
    arguments = parser.parse_args(argv)
    if arguments.feed:
        return _feed(arguments)

    torch = peer.import_torch()
    about = machine.introduce(peer.versions(torch))
    with tempfile.TemporaryDirectory() as folder:
        photos, prepared = Path(folder, "photos"), Path(folder, "prepared")
        write_photos(photos, arguments.images)
        command = [sys.executable, "-m", "alexnet.data", "prepare", str(photos), str(prepared)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        folders = load("folder", photos)["train"], load("shards", prepared)["train"]
        rates = _measure_rates(torch, *folders, arguments)
        report_rates(arguments.images, rates, next(iter(rates)))
        steps = _measure_steps(*folders, arguments)
        report_steps(steps)
    report = {
        "kind": "data",
        "about": about,
        "images": arguments.images,
        "batch": arguments.batch,
        "workers": arguments.workers,
        "passes": {name: asdict(sample) for name, sample in rates.items()},
        "steps": {name: asdict(sample) for name, sample in steps.items()},
    }
    save(report, arguments.json)
    return 0


def _feed(arguments: argparse.Namespace) -> int:
    about = machine.introduce({})
    rates = feed.measure(arguments.images, arguments.batch, arguments.repeats)
    print("", *feed.lines(rates, arguments.images), sep="\n")
    report = {"kind": "feed", "about": about, "images": arguments.images, "batch": arguments.batch}
    save({**report, "passes": asdict(rates)}, arguments.json)
    return 0


def _measure_rates(
    torch: ModuleType | None, photos: Dataset, prepared: Dataset, arguments: argparse.Namespace
) -> dict[str, Sample]:
    """Passes over all images, of PyTorch first where it is there."""
    sizes = arguments.batch, arguments.workers
    passes = {
        "JPEG files": our_pass(photos, *sizes),
        "prepared data": our_pass(prepared, *sizes),
    }
    if torch:
        passes = {"JPEG files, PyTorch DataLoader": torch_pass(torch, photos, *sizes)} | passes
    return dict(zip(passes, interleaved(list(passes.values()), arguments.repeats)))


def _measure_steps(
    photos: Dataset, prepared: Dataset, arguments: argparse.Namespace
) -> dict[str, Sample]:
    def endless(dataset: Dataset) -> Iterator[Batch]:
        return loader(Repeated(dataset), arguments.batch, arguments.workers).batches(0)

    from_files = endless(photos)
    batches = {
        "memory": itertools.repeat(next(from_files)),
        "prepared data": endless(prepared),
        "JPEG files": from_files,
    }
    return dict(zip(batches, interleaved(training(batches), arguments.repeats)))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 7 where the file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
