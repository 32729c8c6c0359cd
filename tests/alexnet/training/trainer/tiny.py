"""A tiny run: its images, its length, and the comparison of two trainers."""

import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.inference.results import Results
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.run.metrics import TIMING_COLUMNS
from alexnet.training.trainer import Observer

PREPROCESSING = Preprocessing(
    image_size=6, resize=8, mean=(120, 120, 120), scale=1 / 64, standard_deviations=(30, 20, 10)
)
EPOCHS = 3
STEPS_PER_EPOCH = 3  # of 4, 4 and 2 images
STEPS = EPOCHS * STEPS_PER_EPOCH


class Images:
    """Noise in which class c has more of color c, by `tint` gray levels."""

    classes = ["red", "green", "blue"]

    def __init__(self, count, seed, tint=25):
        rng = np.random.default_rng(seed)
        self.labels = rng.permutation(np.arange(count, dtype=np.int64) % 3)
        self.images = rng.integers(60, 160, (count, 8, 8, 3), np.uint8)
        self.images[np.arange(count), :, :, self.labels] += tint

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return self.images[index]

    def name(self, index):
        return f"image {index}"


class AfterCheckpoint(Observer):
    """Calls a function with the row of each epoch, when its checkpoint is saved."""

    def __init__(self, call):
        self.call = call

    def after_checkpoint(self, trainer, row):
        self.call(row)


def results_with(top1, count=8):
    """Results of a validation in which a share of the images is right."""
    rank = np.where(np.arange(count) < top1 * count, 1, 2)
    labels, ones = np.zeros(count, np.int64), np.ones(count)
    return Results(Images.classes, np.arange(count), labels, rank - 1, ones, ones, rank, 1.0)


def without_times(row):
    return {name: value for name, value in row.items() if name not in TIMING_COLUMNS}


def assert_same_result(one, other):
    """The same weights, state and metrics, bit for bit, but for what depends on the clock."""
    a, b = one.checkpoint(), other.checkpoint()
    for part in ("model", "optimizer"):
        first, second = getattr(a, part), getattr(b, part)
        assert first.keys() == second.keys()
        for name, array in first.items():
            assert array.tobytes() == second[name].tobytes(), name
    assert {**a.training, "seconds": 0} == {**b.training, "seconds": 0}
    assert a.schedule == b.schedule
    assert [without_times(row) for row in one.log.rows] == [
        without_times(row) for row in other.log.rows
    ]
    for name in (LAST, BEST):
        in_files = [Checkpoint.load(trainer.folder / name) for trainer in (one, other)]
        assert in_files[0].training["epoch"] == in_files[1].training["epoch"], name
        for weight, array in in_files[0].model.items():
            assert array.tobytes() == in_files[1].model[weight].tobytes(), (name, weight)
    for name in ("metrics.csv", "metrics.jsonl"):
        lines = [(trainer.folder / name).read_text().count("\n") for trainer in (one, other)]
        assert lines[0] == lines[1], name
