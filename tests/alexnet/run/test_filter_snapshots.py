"""Kernels of every epoch: kept by --snapshot-filters, whatever happens to the run."""

import pickle

import numpy as np
import pytest

from alexnet import train
from alexnet.run import filter_snapshots
from alexnet.run.checkpoint import LAST, Checkpoint, CheckpointError
from alexnet.run.filter_snapshots import FOLDER
from alexnet.training.build import GRAY_LEVELS_STD
from alexnet.training.epoch_results import FilterSnapshots
from alexnet.training.settings import Settings
from minigrad import manual_seed
from tests.alexnet.narrow import NarrowAlexNet
from tests.alexnet.runs import OPTIONS, STEPS_PER_EPOCH

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture
def start(photos, tmp_path):
    def start(name, *options):
        command = [*OPTIONS, "--data-root", str(photos), "--out", str(tmp_path / name), *options]
        assert train.main(command) == 0
        return tmp_path / name

    return start


def test_epochs_of_a_run(start):
    run = start("run", "--snapshot-filters")
    assert sorted(p.name for p in (run / FOLDER).iterdir()) == [
        f"epoch_000{epoch}.npy" for epoch in range(3)
    ]
    kernels = filter_snapshots.load(run)
    assert list(kernels) == [0, 1, 2]
    manual_seed(0)
    network = NarrowAlexNet(3, 67, input_std=GRAY_LEVELS_STD * Settings.scale)
    assert np.array_equal(kernels[0], network.features[0].weight.numpy())
    assert np.array_equal(kernels[2], Checkpoint.load(run / LAST).model["features.0.weight"])
    assert not np.array_equal(kernels[1], kernels[2])


def test_an_interrupted_run_ends_with_the_same_ones(start):
    whole = start("whole", "--snapshot-filters")
    part = start("part", "--snapshot-filters", "--max-steps", str(STEPS_PER_EPOCH + 2))
    assert list(filter_snapshots.load(part)) == [0, 1]
    assert train.main(["--resume", str(part)]) == 0
    for epoch, kernels in filter_snapshots.load(whole).items():
        assert np.array_equal(filter_snapshots.load(part)[epoch], kernels)


def test_can_begin_later_and_is_off_by_default(start):
    run = start("run", "--max-steps", str(STEPS_PER_EPOCH))
    assert not (run / FOLDER).exists()
    assert filter_snapshots.load(run) == {}
    with pytest.raises(CheckpointError, match="--snapshot-filters"):
        filter_snapshots.require(run, (1, 3, 2, 2))
    assert train.main(["--resume", str(run), "--snapshot-filters"]) == 0
    assert list(filter_snapshots.load(run)) == [2]


def test_epochs_that_will_be_learned_again_are_deleted(tmp_path):
    (tmp_path / FOLDER).mkdir()
    for epoch in (0, 3, 12):
        np.save(tmp_path / FOLDER / f"epoch_{epoch:04d}.npy", np.ones((8, 3, 11, 11), np.float32))
    FilterSnapshots(tmp_path, epoch=3)
    assert list(filter_snapshots.load(tmp_path)) == [0, 3]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    snapshots, model = FilterSnapshots(tmp_path, 0), NarrowAlexNet(3, 67)
    snapshots.save(model, 0)

    def full(file, array, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="space"):
        snapshots.save(model, 0)
    assert filter_snapshots.load(tmp_path)[0].shape == (10, 3, 11, 11)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["epoch_0000.npy"]


class Executed:
    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


def damaged():
    good = np.zeros((8, 3, 11, 11), np.float32)
    yield "empty", b""
    yield "text", b"nothing of the kind"
    yield "pickle", pickle.dumps(Executed())
    yield "a matrix", np.zeros((3, 3))
    yield "another shape", np.zeros((9, 3, 11, 11), np.float32)
    yield "whole numbers", good.astype(np.int64)
    yield "objects", np.array([[[[Executed()]] * 3]], object).transpose(0, 2, 1, 3)


@pytest.mark.parametrize(("name", "content"), list(damaged()))
def test_damaged_files(tmp_path, name, content):
    FilterSnapshots(tmp_path, 0)
    np.save(tmp_path / FOLDER / "epoch_0000.npy", np.zeros((8, 3, 11, 11), np.float32))
    path = tmp_path / FOLDER / "epoch_0001.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(CheckpointError, match="epoch_0001.npy"):
        filter_snapshots.load(tmp_path)
