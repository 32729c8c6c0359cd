"""The checkpoints of a run: the best and the last, after failures too, and which are refused."""

import errno
import os

import numpy as np
import pytest

from alexnet.errors import Diverged
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, CheckpointError
from tests.alexnet.training.trainer.tiny import EPOCHS, STEPS_PER_EPOCH, AfterCheckpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def test_best_checkpoint_follows_validation_top1(new_trainer, scripted_top1):
    best = []

    def look(row):
        last = Checkpoint.load(trainer.folder / LAST)
        assert last.training["epoch"] == row["epoch"]
        best.append(Checkpoint.load(trainer.folder / BEST).training["epoch"])

    trainer = new_trainer(observers=[AfterCheckpoint(look)])
    assert trainer.fit(5)
    assert best == [1, 2, 2, 2, 5]
    assert (trainer.state.best_top1, trainer.state.best_epoch) == (0.75, 5)


def test_best_checkpoint_is_remembered_by_a_continued_run(new_trainer, continued, scripted_top1):
    folder = new_trainer().folder
    for epochs in range(1, 5):
        assert continued(folder).fit(epochs)
    assert Checkpoint.load(folder / BEST).training["epoch"] == 2
    assert continued(folder).state.best_epoch == 2


def test_last_is_a_copy_where_the_file_system_has_no_links(new_trainer, scripted_top1, monkeypatch):
    def refuse(*arguments):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    trainer = new_trainer()
    trainer.fit(1)
    last, best = trainer.folder / LAST, trainer.folder / BEST
    assert last.read_bytes() == best.read_bytes()
    assert not last.samefile(best)


def test_a_full_disk_leaves_no_part_of_a_copy(new_trainer, scripted_top1, monkeypatch):
    def write_a_part(source, target):
        target.write_bytes(b"part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", write_a_part)
    monkeypatch.setattr("alexnet.files.shutil.copyfile", write_a_part)
    trainer = new_trainer()
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(1)
    assert sorted(path.name for path in trainer.folder.iterdir()) == [
        *("best.safetensors", "metrics.csv", "metrics.jsonl")
    ]


def test_diverged_training_leaves_the_last_checkpoint(new_trainer):
    def poison(row):
        trainer.model[0].weight.data[0] = np.nan

    trainer = new_trainer(observers=[AfterCheckpoint(poison)])
    with pytest.raises(Diverged, match="is nan in epoch 2, step 1: .* weights of conv1 "):
        trainer.fit(EPOCHS)
    last = Checkpoint.load(trainer.folder / LAST)
    assert last.training["epoch"] == 1
    assert all(np.isfinite(array).all() for array in last.model.values())
    assert [row["epoch"] for row in trainer.log.rows] == [1]


def test_diverged_in_the_first_epoch_leaves_nothing(new_trainer):
    trainer = new_trainer(lr=1e38)
    with pytest.raises(Diverged, match="training loss is (nan|inf) in epoch 1, step [23]: "):
        trainer.fit(EPOCHS)
    assert list(trainer.folder.iterdir()) == []


def test_diverged_in_the_last_step_is_seen_by_the_validation(new_trainer, monkeypatch):
    def poison():
        trainer.model[0].weight.data[0] = np.nan

    trainer = new_trainer()
    trainer.fit(EPOCHS, max_steps=STEPS_PER_EPOCH + 2)
    before = (trainer.folder / LAST).read_bytes()
    monkeypatch.setattr(trainer.schedule, "step", poison)
    with pytest.raises(Diverged, match="validation loss is nan after epoch 2$"):
        trainer.fit(EPOCHS)
    assert (trainer.folder / LAST).read_bytes() == before
    assert [row["epoch"] for row in trainer.log.rows] == [1]


def test_restore_refuses_another_run(new_trainer, undisturbed):
    checkpoint = undisturbed.checkpoint()
    trainer = new_trainer(optimizer="adam")
    with pytest.raises(CheckpointError, match="does not fit the run: Adam.load_state_dict"):
        trainer.restore(checkpoint)
    trainer = new_trainer()
    trainer.train_loader.dataset.classes = ["red", "green", "violet"]
    with pytest.raises(CheckpointError, match="class 2 is 'blue' in the checkpoint and 'violet'"):
        trainer.restore(checkpoint)


@pytest.mark.parametrize(
    "part, value", [("training", {}), ("training", {"loss": 1, "top1": 2}), ("random_keys", {})]
)
def test_restore_refuses_a_checkpoint_without_the_state_of_a_run(
    new_trainer, undisturbed, part, value
):
    checkpoint = undisturbed.checkpoint()
    setattr(checkpoint, part, value)
    with pytest.raises(CheckpointError, match="the checkpoint does not fit the run: ") as raised:
        new_trainer().restore(checkpoint)
    assert "\n" not in str(raised.value)
