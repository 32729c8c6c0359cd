"""What the loop does in an epoch: it learns, measures, validates, and tells."""

import contextlib
import math

import numpy as np
import pytest

from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.run.metrics import COLUMNS
from alexnet.training.trainer import Observer
from minigrad import Tensor
from minigrad import functional as F
from minigrad.autograd import is_grad_enabled
from minigrad.random import manual_seed, random_keys
from tests.alexnet.training.trainer.tiny import (
    EPOCHS,
    PREPROCESSING,
    STEPS,
    STEPS_PER_EPOCH,
    AfterCheckpoint,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_loss_falls(new_trainer):
    trainer = new_trainer(lr=0.05, epochs=15, dropout=0.1)
    assert trainer.fit(15)
    rows = trainer.log.rows
    assert [row["epoch"] for row in rows] == list(range(1, 16))
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert rows[-1]["val_loss"] < 0.5 * rows[0]["val_loss"]
    assert rows[-1]["train_top1"] > 0.8
    assert all(row["images_per_s"] > 0 and row["seconds"] >= 0 for row in rows)


def test_what_every_epoch_leaves(new_trainer, curves):
    told = []
    trainer = new_trainer(observers=[AfterCheckpoint(told.append)])
    assert trainer.fit(EPOCHS)
    assert told == trainer.log.rows
    assert all(tuple(row) == COLUMNS for row in told)
    assert sorted(path.name for path in trainer.folder.iterdir()) == [
        *("best.safetensors", "last.safetensors", "metrics.csv", "metrics.jsonl"),
        *("step-00000006.safetensors", "step-00000009.safetensors"),
    ]
    # The log is one list that grows: what was drawn is known by its last call.
    assert curves == [(trainer.log.rows, 3, trainer.folder / "training_curves.png")] * EPOCHS
    last = Checkpoint.load(trainer.folder / LAST)
    assert (last.architecture, last.classes) == ("tiny", ["red", "green", "blue"])
    assert last.preprocessing == PREPROCESSING
    assert last.training["epoch"] == EPOCHS
    assert last.schedule["steps"] == STEPS


def test_lr_is_that_of_the_weights_in_the_last_step(new_trainer):
    trainer = new_trainer(lr=0.25)
    trainer.fit(EPOCHS)
    # Steps 0 to 8, two of them warm-up, then half a cosine over the other seven.
    expected = [0.25 * 0.5 * (1 + math.cos(math.pi * (step - 2) / 7)) for step in (2, 5, 8)]
    assert [row["lr"] for row in trainer.log.rows] == pytest.approx(expected)


def test_the_schedule_follows_the_validation_error(new_trainer, scripted_top1):
    trainer = new_trainer(optimizer="adam", lr=0.5)  # divided by ten after each epoch not better
    trainer.fit(5)
    assert [row["lr"] for row in trainer.log.rows] == pytest.approx([0.5, 0.5, 0.5, 0.05, 0.005])


def test_losses_and_accuracies_are_means_over_images(new_trainer):
    trainer = new_trainer(lr=0.0, dropout=0.0, augmentation=False)
    trainer.fit(1)
    trainer.model.eval()
    row = trainer.log.rows[0]
    for loader, loss, top1 in (
        (trainer.train_loader, row["train_loss"], row["train_top1"]),
        (trainer.val_loader, row["val_loss"], row["val_top1"]),
    ):
        losses, right, batch_means = [], [], []
        for batch in loader.batches(0):
            scores = trainer.model(Tensor(batch.prepare(trainer.backend)))
            for i, label in enumerate(batch.labels):
                single = Tensor(scores.numpy()[i : i + 1])
                losses.append(F.cross_entropy(single, batch.labels[i : i + 1]).item())
                right.append(single.numpy().argmax() == label)
            batch_means.append(np.mean(losses[-len(batch) :]))
        assert loss == pytest.approx(np.mean(losses), rel=1e-6)
        assert top1 == np.mean(right)
        assert loss != pytest.approx(np.mean(batch_means), rel=1e-4)
    assert row["val_top5"] == 1.0  # of three classes


@pytest.mark.parametrize("parts", [2, 3, 99])
def test_a_batch_in_parts_gives_the_update_of_the_whole(new_trainer, parts):
    whole, divided = new_trainer(), new_trainer(accumulate=parts)
    processed = []
    forward = divided.model.forward
    divided.model.forward = lambda images: processed.append(len(images)) or forward(images)
    for trainer in (whole, divided):
        manual_seed(1)  # the same masks
        trainer.fit(EPOCHS, max_steps=STEPS_PER_EPOCH)
    expected = {2: [2, 2, 2, 2, 1, 1], 3: [1, 1, 2] * 2 + [1, 1], 99: [1] * 10}[parts]
    assert processed[: len(expected)] == expected
    for one, other in zip(whole.model.parameters(), divided.model.parameters()):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-7)
    assert whole.log.rows[0]["train_loss"] == pytest.approx(divided.log.rows[0]["train_loss"])
    assert whole.log.rows[0]["train_top1"] == divided.log.rows[0]["train_top1"]


def test_only_training_records_the_graph(new_trainer):
    recorded = set()
    trainer = new_trainer()
    forward = trainer.model.forward

    def look(images):
        recorded.add((trainer.model.training, is_grad_enabled()))
        return forward(images)

    trainer.model.forward = look
    trainer.fit(1)
    assert recorded == {(True, True), (False, False)}


def test_evaluation_has_neither_dropout_nor_augmentation(new_trainer):
    trainer = new_trainer(dropout=0.9)
    trainer.model.train()
    draws = random_keys.call
    first = trainer.validate()
    trainer.state.epoch = 7
    second = trainer.validate()
    assert second.loss.tolist() == first.loss.tolist()
    assert second.mean_loss == first.mean_loss
    assert random_keys.call == draws

    # All seven images at once, their middle 6x6 pixels, without a loader or a dropout layer.
    images = trainer.val_loader.dataset
    crops = (images.images[:, 1:7, 1:7].transpose(0, 3, 1, 2) - np.float32(120)) / 64
    convolution, relu, flatten, _, linear = trainer.model
    scores = linear(flatten(relu(convolution(Tensor(crops.astype(np.float32))))))
    assert first.mean_loss == pytest.approx(F.cross_entropy(scores, images.labels).item(), rel=1e-5)
    assert first.accuracy().value == np.mean(scores.numpy().argmax(axis=1) == images.labels)


def test_dropout_is_on_again_after_a_validation(new_trainer):
    trainer = new_trainer()
    draws = random_keys.call
    trainer.fit(EPOCHS)
    assert random_keys.call == draws + STEPS  # one mask a step


def test_progress_is_told_what_is_done(new_trainer, continued):
    heard = []

    @contextlib.contextmanager
    def listen(title, images, done):
        heard.append((title, images, done))

        def report(count, loss, top1, waiting):
            assert 0 < waiting < 1
            heard.append(count)

        yield report

    trainer = new_trainer(show_progress=listen)
    trainer.fit(EPOCHS, max_steps=1)
    assert heard == [("epoch 1", 10, 0), 4]
    heard.clear()
    continued(trainer.folder, show_progress=listen).fit(1)
    assert heard == [("epoch 1", 10, 4), 4, 2, ("validation", 7, 0), 4, 3]


class Listener(Observer):
    def __init__(self):
        self.steps, self.epochs = [], []

    def after_step(self, trainer, step):
        assert all(p.grad is not None for p in trainer.model.parameters())
        assert step.number == trainer.schedule.steps
        assert 0 < step.waiting < step.seconds
        self.steps.append(step)

    def after_epoch(self, trainer, row):
        assert trainer.log.rows[-1] is row
        assert not (trainer.folder / LAST).exists() or row["epoch"] > 1
        self.epochs.append(row)


def test_observers_are_told_of_every_step_and_epoch(new_trainer):
    listener = Listener()
    trainer = new_trainer(observers=[listener])
    trainer.fit(2)
    assert [(step.number, step.epoch, step.images) for step in listener.steps] == [
        *((1, 1, 4), (2, 1, 4), (3, 1, 2)),
        *((4, 2, 4), (5, 2, 4), (6, 2, 2)),
    ]
    assert listener.epochs == trainer.log.rows
    for row in listener.epochs:
        steps = [step for step in listener.steps if step.epoch == row["epoch"]]
        assert sum(step.loss * step.images for step in steps) / 10 == pytest.approx(
            row["train_loss"]
        )
        assert sum(step.top1 * step.images for step in steps) / 10 == pytest.approx(
            row["train_top1"]
        )
        assert steps[-1].lr == row["lr"]
