"""The loop: what it measures, and that a run stopped anywhere ends as if it had not been."""

import contextlib
import errno
import math
import os
import pkgutil
from functools import partial

import numba
import numpy as np
import pytest

import minigrad as mg
from alexnet.checkpoint import BEST, LAST, Checkpoint, CheckpointError
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from alexnet.evaluation import Evaluation
from alexnet.metrics import COLUMNS, TIMING_COLUMNS, Diverged
from alexnet.trainer import Trainer
from minigrad import Tensor, backend, nn, optim
from minigrad import functional as F
from minigrad.autograd import is_grad_enabled

pytestmark = pytest.mark.usefixtures("one_thread")

PREPROCESSING = Preprocessing(
    image_size=6, resize=8, mean=(120, 120, 120), scale=1 / 64, standard_deviations=(30, 20, 10)
)
EPOCHS = 3
STEPS_PER_EPOCH = 3  # of 4, 4 and 2 images
STEPS = EPOCHS * STEPS_PER_EPOCH


class Images:
    """Noise in which class c has a little more of colour c."""

    classes = ["red", "green", "blue"]

    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.labels = rng.permutation(np.arange(count, dtype=np.int64) % 3)
        self.images = rng.integers(60, 160, (count, 8, 8, 3), np.uint8)
        self.images[np.arange(count), :, :, self.labels] += 25

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return self.images[index]

    def name(self, index):
        return f"image {index}"


class Killed(BaseException):
    """Nothing in the trainer may catch it, as nothing can catch SIGKILL."""


@pytest.fixture(autouse=True)
def curves(monkeypatch):
    """Pictures are drawn elsewhere; here the arguments are kept instead."""
    drawn = []
    monkeypatch.setattr("alexnet.figures.training_curves", lambda *args: drawn.append(args))
    return drawn


@pytest.fixture
def new_trainer(tmp_path):
    """Makes trainers of the same run; each begins with weights and a folder of its own."""
    made = 0

    def new_trainer(
        folder=None,
        *,
        seed=1,
        workers=0,
        dropout=0.5,
        augmentation=True,
        optimizer="sgd",
        lr=0.02,
        epochs=EPOCHS,
        **options,
    ):
        nonlocal made
        made += 1
        if folder is None:
            folder = tmp_path / str(made)
            folder.mkdir()
        mg.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32, 3),
        )
        network.to(options.get("device", "cpu"))
        weights = {"params": [network[0].weight, network[4].weight]}
        biases = {"params": [network[0].bias, network[4].bias], "lr": 2 * lr}
        if optimizer == "adam":
            optimizer = optim.Adam([weights, biases], lr)
            schedule = optim.DivideOnPlateau(optimizer, patience=0, warmup_steps=2)
        else:
            optimizer = optim.SGD([weights, biases], lr, 0.9, 5e-4, form="paper")
            schedule = optim.CosineWithWarmup(optimizer, epochs * STEPS_PER_EPOCH, 2)
        train_loader = Loader(
            Images(10, seed=1),
            PREPROCESSING,
            4,
            seed=3,
            augmentation=Augmentation() if augmentation else None,
            shuffle=True,
            workers=workers,
        )
        val_loader = Loader(Images(7, seed=2), PREPROCESSING, 4, workers=workers)
        return Trainer(
            *(network, optimizer, schedule, train_loader, val_loader, folder),
            architecture="tiny",
            **options,
        )

    return new_trainer


@pytest.fixture
def continued(new_trainer):
    """Continues the run of a folder in a new trainer, as another process would."""

    def continued(folder, **options):
        if not (folder / LAST).exists():
            return new_trainer(folder, **options)
        trainer = new_trainer(folder, seed=99, **options)
        trainer.restore(Checkpoint.load(folder / LAST))
        return trainer

    return continued


@pytest.fixture
def undisturbed(new_trainer):
    """The run that an interrupted one must become the same as."""
    trainer = new_trainer()
    assert trainer.fit(EPOCHS)
    return trainer


@pytest.fixture
def scripted_top1(monkeypatch):
    """Validation accuracies by epoch: the third and the fourth are no new best."""
    top1 = (0.25, 0.5, 0.5, 0.375, 0.75)
    monkeypatch.setattr(
        Trainer, "evaluate", lambda self: Evaluation(1.0, top1[self.state.epoch], 1.0)
    )
    return top1


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
    trainer = new_trainer(on_epoch=told.append)
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


@pytest.mark.parametrize(
    "where, call",
    [
        *(
            (f"alexnet.metrics._{kind}_text", epoch)
            for kind in ("csv", "jsonl")
            for epoch in (1, 3)
        ),
        *(("minigrad.files.os.fsync", call) for call in range(1, 23)),
        *(("minigrad.files.os.replace", call) for call in range(1, 9)),
        *(("minigrad.files.os.link", call) for call in range(1, 6)),
        *(("alexnet.figures.training_curves", epoch) for epoch in (1, 2, 3)),
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


def test_best_checkpoint_follows_validation_top1(new_trainer, scripted_top1):
    best = []

    def look(row):
        last = Checkpoint.load(trainer.folder / LAST)
        assert last.training["epoch"] == row["epoch"]
        best.append(Checkpoint.load(trainer.folder / BEST).training["epoch"])

    trainer = new_trainer(on_epoch=look)
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
    monkeypatch.setattr("minigrad.files.shutil.copyfile", write_a_part)
    trainer = new_trainer()
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(1)
    assert sorted(path.name for path in trainer.folder.iterdir()) == [
        *("best.safetensors", "metrics.csv", "metrics.jsonl")
    ]


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


def test_any_number_of_threads_gives_the_same_run(new_trainer, undisturbed):
    numba.set_num_threads(2)
    trainer = new_trainer()
    trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_run(new_trainer, undisturbed, workers):
    trainer = new_trainer(workers=workers)
    trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)


def test_another_seed_gives_another_run(new_trainer, undisturbed):
    trainer = new_trainer(seed=2)
    trainer.fit(EPOCHS)
    losses = [[row["train_loss"] for row in t.log.rows] for t in (trainer, undisturbed)]
    assert losses[0] != losses[1]


def test_diverged_training_leaves_the_last_checkpoint(new_trainer):
    def poison(row):
        trainer.model[0].weight.data[0] = np.nan

    trainer = new_trainer(on_epoch=poison)
    with pytest.raises(Diverged, match="is nan in epoch 2, step 1: .* weights of 0 "):
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
    draws = backend.random_keys.call
    first = trainer.evaluate()
    trainer.state.epoch = 7
    assert trainer.evaluate() == first
    assert backend.random_keys.call == draws

    # All seven images at once, their middle 6x6 pixels, without a loader or a dropout layer.
    images = trainer.val_loader.dataset
    crops = (images.images[:, 1:7, 1:7].transpose(0, 3, 1, 2) - np.float32(120)) / 64
    convolution, relu, flatten, _, linear = trainer.model
    scores = linear(flatten(relu(convolution(Tensor(crops.astype(np.float32))))))
    assert first.loss == pytest.approx(F.cross_entropy(scores, images.labels).item(), rel=1e-5)
    assert first.top1 == np.mean(scores.numpy().argmax(axis=1) == images.labels)


def test_dropout_is_on_again_after_a_validation(new_trainer):
    trainer = new_trainer()
    draws = backend.random_keys.call
    trainer.fit(EPOCHS)
    assert backend.random_keys.call == draws + STEPS  # one mask a step


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


class Listener:
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


def test_a_longer_run_continues_with_the_rates_of_a_longer_run(new_trainer, continued):
    folder = new_trainer().folder
    continued(folder).fit(EPOCHS)
    trainer = continued(folder, epochs=2 * EPOCHS)
    assert trainer.schedule.total_steps == 2 * STEPS
    trainer.fit(2 * EPOCHS)
    rates = [row["lr"] for row in trainer.log.rows]
    assert len(rates) == 2 * EPOCHS
    assert rates[EPOCHS] > rates[EPOCHS - 1]


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


@pytest.mark.parametrize("parts", [2, 3, 99])
def test_a_batch_in_parts_gives_the_update_of_the_whole(new_trainer, parts):
    whole, divided = new_trainer(dropout=0.0), new_trainer(dropout=0.0, accumulate=parts)
    processed = []
    forward = divided.model.forward
    divided.model.forward = lambda images: processed.append(len(images)) or forward(images)
    for trainer in (whole, divided):
        trainer.fit(EPOCHS, max_steps=STEPS_PER_EPOCH)
    expected = {2: [2, 2, 2, 2, 1, 1], 3: [1, 1, 2] * 2 + [1, 1], 99: [1] * 10}[parts]
    assert processed[: len(expected)] == expected
    for one, other in zip(whole.model.parameters(), divided.model.parameters()):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-5, atol=1e-7)
    assert whole.log.rows[0]["train_loss"] == pytest.approx(divided.log.rows[0]["train_loss"])
    assert whole.log.rows[0]["train_top1"] == divided.log.rows[0]["train_top1"]


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
        patch.setattr("alexnet.trainer.time.monotonic", lambda: next(clock))
        for checks in (2, 2, 3):  # steps, a batch of the validation, two of them and a step
            start = next(clock)
            assert not trainer.fit(EPOCHS, deadline=start + checks + 1)
            stopped_at.append((trainer.state.epoch, trainer.state.step))
            trainer = continued(trainer.folder)
    assert stopped_at == [(0, 2), (0, 3), (1, 1)]
    assert trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)
