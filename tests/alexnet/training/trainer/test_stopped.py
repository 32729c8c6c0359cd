"""A run stopped anywhere and continued ends as if it had not been."""

import contextlib
import math
import pkgutil
from functools import partial

import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.errors import BadImage
from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.training.trainer.tiny import EPOCHS, STEPS, STEPS_PER_EPOCH, assert_same_result

pytestmark = pytest.mark.usefixtures("one_thread")


class Damaged:
    """A data set some of whose images cannot be read."""

    def __init__(self, dataset, damaged):
        self.dataset, self.damaged = dataset, damaged
        self.labels, self.classes, self.name = dataset.labels, dataset.classes, dataset.name

    def __len__(self):
        return len(self.dataset)

    def image(self, index, square=None):
        if index in self.damaged:
            raise BadImage(f"image {index}: damaged")
        return self.dataset.image(index, square)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("stop", range(STEPS + 1))
def test_stopped_after_any_step_and_continued(new_trainer, continued, optimizer, stop):
    undisturbed = new_trainer(optimizer=optimizer)
    assert undisturbed.fit(EPOCHS)
    first = new_trainer(optimizer=optimizer)
    assert first.fit(EPOCHS, max_steps=stop) == (stop == STEPS)
    assert first.schedule.steps == Checkpoint.load(first.folder / LAST).schedule["steps"] == stop

    second = continued(first.folder, optimizer=optimizer)
    assert second.state.epoch * STEPS_PER_EPOCH + second.state.step == stop
    assert second.fit(EPOCHS)
    assert_same_result(second, undisturbed)


def test_stopped_after_every_step(new_trainer, continued, undisturbed):
    trainer = new_trainer()
    trainer.fit(EPOCHS, max_steps=1)
    for steps in range(2, STEPS + 1):
        trainer = continued(trainer.folder)
        assert trainer.fit(EPOCHS, max_steps=steps) == (steps == STEPS)
    assert_same_result(trainer, undisturbed)


@pytest.mark.parametrize("left_out", range(STEPS_PER_EPOCH))
def test_a_batch_without_a_usable_image_is_passed_over(new_trainer, continued, left_out):
    def without_a_batch(trainer):
        loader = trainer.train_loader
        damaged = set(list(loader.batches(epoch=0))[left_out].indices.tolist())
        loader.dataset = Skipping(Damaged(loader.dataset, damaged), BadImages(True, len(damaged)))
        return trainer

    undisturbed = without_a_batch(new_trainer())
    assert undisturbed.fit(EPOCHS)
    # In the other epochs the damaged images are in other batches.
    assert undisturbed.schedule.steps < STEPS
    for stop in range(STEPS_PER_EPOCH + 1):
        first = without_a_batch(new_trainer())
        assert not first.fit(EPOCHS, max_steps=stop)
        second = without_a_batch(continued(first.folder))
        assert second.fit(EPOCHS)
        assert_same_result(second, undisturbed)


# 3 epochs of 3 batches to learn from and 2 for validation.
@pytest.mark.parametrize("moment", range(1, 16))
def test_interrupted_after_any_batch_and_continued(new_trainer, continued, undisturbed, moment):
    batches = 0

    @contextlib.contextmanager
    def interrupting(title, images, done):
        def report(count, loss, top1, waiting):
            nonlocal batches
            batches += 1
            first.interrupted = batches == moment

        yield report

    first = new_trainer(show_progress=interrupting)
    # After the very last batch nothing is left that could be stopped.
    assert first.fit(EPOCHS) == (moment == 15)
    assert batches == moment
    second = continued(first.folder)
    assert second.fit(EPOCHS)
    assert_same_result(second, undisturbed)


class Killed(BaseException):
    """Nothing in the trainer may catch it, as nothing can catch SIGKILL."""


@pytest.mark.parametrize(
    "where, call",
    [
        *(
            (f"alexnet.run.metrics._{kind}_text", epoch)
            for kind in ("csv", "jsonl")
            for epoch in (1, 3)
        ),
        *(("alexnet.files.os.fsync", call) for call in range(1, 23)),
        *(("alexnet.files.os.replace", call) for call in range(1, 9)),
        *(("alexnet.files.os.link", call) for call in range(1, 6)),
        *(("alexnet.visualize.figures.training_curves", epoch) for epoch in (1, 2, 3)),
    ],
)
def test_killed_at_the_end_of_an_epoch_and_continued(
    new_trainer, continued, scripted_top1, undisturbed, monkeypatch, where, call
):
    calls = 0

    def killed(original, *arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return original(*arguments, **options)

    first = new_trainer()
    with monkeypatch.context() as patch:
        patch.setattr(where, partial(killed, pkgutil.resolve_name(where)))
        with pytest.raises(Killed):
            first.fit(EPOCHS)
    second = continued(first.folder)
    assert second.fit(EPOCHS)
    assert_same_result(second, undisturbed)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop", range(1, 2 * STEPS_PER_EPOCH))
def test_stopped_after_any_step_with_workers(new_trainer, continued, workers, stop):
    undisturbed = new_trainer()
    assert undisturbed.fit(2)
    first = new_trainer(workers=workers)
    assert not first.fit(2, max_steps=stop)
    second = continued(first.folder, workers=2 - workers)
    assert second.fit(2)
    assert_same_result(second, undisturbed)


def test_stopped_after_any_step_on_the_gpu(new_trainer, continued, cuda):
    def fit(folder=None, steps=math.inf):
        trainer = new_trainer(folder, device="cuda")
        if folder is not None:
            trainer.restore(Checkpoint.load(folder / LAST))
        trainer.fit(2, steps)
        return trainer

    undisturbed = fit()
    for stop in range(1, 2 * STEPS_PER_EPOCH):
        assert_same_result(fit(fit(steps=stop).folder), undisturbed)


@pytest.mark.parametrize("patience, epochs", [(1, 3), (2, 4), (3, 5)])
@pytest.mark.parametrize("stop", [1, 7, 10])
def test_patience_ends_a_run_that_no_longer_improves(
    new_trainer, continued, scripted_top1, patience, epochs, stop
):
    first = new_trainer()
    first.fit(5, max_steps=stop, patience=patience)
    second = continued(first.folder)
    assert second.fit(5, patience=patience)
    assert second.state.epoch == epochs
    assert Checkpoint.load(second.folder / LAST).training["epoch"] == epochs


def test_the_deadline_stops_after_a_step_and_in_a_validation(new_trainer, continued, undisturbed):
    clock = iter(range(100))
    stopped_at = []
    trainer = new_trainer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.training.trainer.time.monotonic", lambda: next(clock))
        for checks in (2, 2, 3):  # steps, a batch of the validation, two of them and a step
            start = next(clock)
            assert not trainer.fit(EPOCHS, deadline=start + checks + 1)
            stopped_at.append((trainer.state.epoch, trainer.state.step))
            trainer = continued(trainer.folder)
    assert stopped_at == [(0, 2), (0, 3), (1, 1)]
    assert trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)
