"""Fixtures that make trainers of a tiny run."""

import pytest

import minigrad as mg
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.epoch_results import Curves
from alexnet.training.settings import Settings
from alexnet.training.trainer import Trainer
from minigrad import nn, optim
from tests.alexnet.training.trainer.tiny import (
    EPOCHS,
    PREPROCESSING,
    STEPS_PER_EPOCH,
    Images,
    results_with,
)


@pytest.fixture(autouse=True)
def curves(monkeypatch):
    """Pictures are drawn elsewhere; here the arguments are kept instead."""
    drawn = []
    monkeypatch.setattr(
        "alexnet.visualize.figures.training_curves", lambda *args: drawn.append(args)
    )
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
        device="cpu",
        accumulate=1,
        observers=(),
        balanced=False,
        settings=(),
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
        network.to(device)
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
            balanced=balanced,
            workers=workers,
            parts=accumulate,
        )
        val_loader = Loader(Images(7, seed=2), PREPROCESSING, 4, workers=workers)
        settings = Settings(arch="tiny", backend=device, accumulate=accumulate, **dict(settings))
        return Trainer(
            *(settings, network, optimizer, schedule, train_loader, val_loader, folder),
            observers=[Curves(), *observers],
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
    monkeypatch.setattr(Trainer, "validate", lambda self: results_with(top1[self.state.epoch]))
    return top1
