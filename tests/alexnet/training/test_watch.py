"""What the watch says about runs that do not learn, and that it says nothing about the others."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from alexnet.training import watch
from alexnet.training.loss import TrainingLoss
from alexnet.training.settings import Settings
from alexnet.training.state import Step
from alexnet.training.trainer import Trainer
from alexnet.training.watch import Watch, compare, dead_units, sampled_weights
from minigrad import nn, optim
from tests.alexnet.training.trainer.tiny import Images

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCHS = 8
BATCH = 8


def images(count, seed):
    """Images that are learned in a hundred steps."""
    return Images(count, seed, tint=40)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, kernel_size=3, stride=2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.ReLU(inplace=True),
        nn.Linear(16, 3),
    )


@pytest.fixture
def short_windows(monkeypatch):
    """Runs of a hundred steps are long ones."""
    monkeypatch.setattr(watch, "MIN_STEPS", 40)
    monkeypatch.setattr(watch, "IMAGES_PER_CLASS", 100)
    monkeypatch.setattr(watch, "UPDATE_CHECK_STEPS", 5)


@pytest.fixture
def said(tmp_path, short_windows):
    """Trains and returns what the watch said."""

    def said(model=None, *, train=None, lr=0.02, seed=0, shuffle=True, epochs=EPOCHS, **options):
        mg.manual_seed(seed)
        model = model or network()
        optimizer = optim.SGD(model.parameters(), lr, 0.9, 5e-4, form="paper")
        preprocessing = Preprocessing(
            image_size=6, resize=8, mean=(120, 120, 120), scale=options.get("scale", 1 / 64)
        )
        train = train or images(96, seed=10 + seed)
        train_loader = Loader(
            *(train, preprocessing, BATCH),
            seed=seed,
            augmentation=Augmentation("center", False, 0),
            shuffle=shuffle,
            workers=0,
        )
        validation = options.get("validation") or images(60, seed=90 + seed)
        lines = []
        Trainer(
            *(Settings(arch="tiny"), model, optimizer, optim.Schedule(optimizer), train_loader),
            Loader(validation, preprocessing, BATCH, workers=0),
            tmp_path,
            observers=[Watch(lines.append, options.get("table_every", 0))],
        ).fit(epochs)
        return lines

    return said


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_healthy_run_is_watched_in_silence(said, seed):
    assert said(seed=seed) == []


def test_each_thing_is_said_once_and_with_what_helps(said):
    model = network()
    model[5].weight.requires_grad = model[5].bias.requires_grad = False
    model[5].weight.data[...] = 0
    lines = said(model, epochs=12)
    kinds = [line.split("\n")[0] for line in lines]
    assert len(set(kinds)) == len(kinds)
    assert all(line.startswith("warning: ") for line in lines)
    assert all(line.split("\n")[1].startswith("         what usually helps: ") for line in lines)


def test_labels_that_belong_to_other_images(said, monkeypatch):
    train = images(96, seed=10)
    train.labels = np.random.default_rng(5).permutation(train.labels)
    lines = said(train=train, lr=0.005)
    assert any("as good as guessing (1.099)" in line and "labels" in line for line in lines)


@pytest.mark.parametrize("count, expected", [(60, True), (4, False)])
def test_labels_memorized(said, count, expected):
    """Of four images even all may be recognized by chance, and nothing is said."""
    train, validation = images(24, seed=10), images(count, seed=90)
    train.labels = np.random.default_rng(5).permutation(train.labels)
    train.images[...] = np.random.default_rng(6).integers(0, 256, train.images.shape)
    lines = said(train=train, validation=validation, lr=0.05, epochs=80)
    assert any("recognized as badly as by guessing" in line for line in lines) == expected


def test_labels_all_the_same(said):
    train = images(96, seed=10)
    train.labels[...] = 1
    lines = said(train=train)
    assert "all 96 training images have the label 'green'" in lines[0]
    # The validation set has all classes, and none is told from another.
    assert any("is taken for 'green'" in line for line in lines)


@pytest.mark.parametrize("epochs, expected", [(2, False), (5, True)])
def test_one_class_for_all_images_is_said_after_the_first_steps_only(said, epochs, expected):
    """Many a network begins like that; epochs of a small set are short."""
    model = network()
    last = model[5]
    last.weight.requires_grad = last.bias.requires_grad = False
    last.weight.data[...], last.bias.data[...] = 0, [9, 0, 0]
    lines = said(model, epochs=epochs)
    assert any("is taken for 'red'" in line for line in lines) == expected


def test_batches_of_one_class(said):
    train = images(96, seed=10)
    order = np.argsort(train.labels, kind="stable")
    train.labels, train.images = train.labels[order], train.images[order]
    lines = said(train=train, shuffle=False, epochs=1)
    assert "12 of 12 batches hold images of one class only" in lines[0]


def test_a_relu_on_the_scores(said):
    mg.manual_seed(0)
    model = nn.Sequential(*network(), nn.ReLU())
    model[5].bias.data[...] = -20
    lines = said(model)
    assert any("100% of the units of relu3 are zero" in line for line in lines)
    assert any("as good as guessing" in line for line in lines)


def test_rate_far_too_large(said):
    lines = said(lr=1.0)
    assert any("in one step; 0.1% is usual" in line for line in lines)


def test_rate_far_too_small(said):
    lines = said(lr=1e-7)
    assert any("do not learn" in line for line in lines)
    assert any("as good as guessing" in line for line in lines)


def test_weights_that_are_not_learned(said):
    model = network()
    model[0].weight.requires_grad = False
    lines = said(model)
    assert any("the weights of conv1 do not learn" in line for line in lines)


def test_input_in_gray_levels(said):
    """As --scale 1 with a start made for 1/64."""
    assert said(scale=1.0, lr=0.05) != []


def test_table(said):
    lines = said(table_every=6, epochs=1)
    assert len(lines) == 2  # 12 steps
    assert lines[0].startswith("step 6, lr 0.02\nlayer ")
    assert [line.split()[0] for line in lines[0].split("\n")[2:]] == ["conv1", "fc2", "fc3"]


# -- the rules by themselves ------------------------------------------------------------------


def losses_said(losses, classes=10, batch_size=32, warmup_steps=0):
    """What is said about a sequence of losses."""
    labels = np.arange(classes * 2) % classes
    dataset = SimpleNamespace(labels=labels, classes=list(range(classes)))
    loader = {"dataset": dataset, "batch_size": batch_size, "shuffle": True}
    trainer = SimpleNamespace(
        train_loader=SimpleNamespace(**loader, labels=lambda epoch: labels),
        loss=TrainingLoss(),
        schedule=SimpleNamespace(warmup_steps=warmup_steps),
        model=nn.Sequential(nn.Linear(2, 2)),
        optimizer=SimpleNamespace(groups=[{"initial_lr": 1.0}]),
    )
    lines = []
    observer = Watch(lines.append)
    for number, loss in enumerate(losses, 1):
        # The rate is that of a schedule's end, so that updates are not judged.
        observer.after_step(trainer, Step(number, 1, loss, 0.1, 0.001, batch_size, 0.1, 0.0))
    return lines


@pytest.mark.parametrize(
    "classes, batch_size, patience", [(10, 32, 200), (100, 32, 1563), (1000, 128, 3907)]
)
def test_a_loss_is_stuck_after_a_window_and_not_before(classes, batch_size, patience):
    stuck = [math.log(classes)] * patience
    assert losses_said(stuck[:-1], classes, batch_size) == []
    assert len(losses_said(stuck, classes, batch_size)) == 1
    assert losses_said(stuck, classes, batch_size, warmup_steps=1) == []


def test_a_loss_that_falls_slowly_is_not_stuck():
    assert losses_said(math.log(10) * (1 - 0.02 * np.arange(400) / 400)) == []


def test_an_exploding_loss_is_seen_in_warmup_too():
    lines = losses_said([2.3] * 5 + [30.0] * 20, warmup_steps=100)
    assert "where guessing has 2.3: the steps are too large" in lines[0]
    assert losses_said([30.0] + [2.3] * 50) == []


def test_dead_units():
    outputs = np.zeros((2, 4, 3, 3), np.float32)
    outputs[1, 2, 0, 2] = 1
    assert dead_units(outputs) == 0.75
    assert dead_units(outputs.reshape(2, -1)) == 1 - 1 / 36


def test_decay_is_not_learning():
    model = network()
    before = sampled_weights(model)
    model[0].weight.data *= 0.9
    model[3].weight.data[0, 0] += 1
    decayed, learned, same = compare(before, model)
    assert decayed.update / decayed.weight == pytest.approx(0.1, rel=1e-3)
    assert decayed.learned < 1e-6 * decayed.weight
    assert learned.learned > 1e-3
    assert same.update == same.learned == 0


def test_large_layers_are_sampled():
    samples = sampled_weights(nn.Sequential(nn.Linear(1000, 300)))
    assert watch.SAMPLED_WEIGHTS / 2 < samples["fc1"].size <= watch.SAMPLED_WEIGHTS
