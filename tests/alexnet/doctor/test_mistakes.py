"""Fifteen mistakes, each named by the doctor as what it is; thirteen settings that are good."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from alexnet.data import Subset
from alexnet.data.bad_images import underlying
from alexnet.data.transforms import Augmentation
from alexnet.doctor import OK, PROBLEM, WARNING, examine
from alexnet.model import ARCHITECTURES, PAPER_NORM, learned_layers
from alexnet.training import watch
from alexnet.training.build import build_trainer
from alexnet.training.options import new_run
from alexnet.training.settings import Settings
from alexnet.training.trainer import Trainer
from alexnet.training.watch import Watch
from minigrad import nn
from tests.alexnet.doctor.images import write_images
from tests.alexnet.narrow import NarrowAlexNet

pytestmark = pytest.mark.usefixtures("narrow")
CLASSES, IMAGES = 4, 60
EPOCHS = 6
# The paper's alpha, for gray levels divided by 64.
UNIT_ALPHA = PAPER_NORM["alpha"] * 64**2


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "photos"
    write_images(root / "train", CLASSES, IMAGES)
    write_images(root / "val", CLASSES, IMAGES, seed=1)
    return root


@pytest.fixture
def build(photos, tmp_path):
    """A trainer as ``python -m alexnet.train`` makes one with these options."""

    def build(**options):
        options = {
            "data_root": str(photos),
            "image_size": 67,
            "batch_size": 8,
            "workers": 0,
            **options,
        }
        return build_trainer(new_run(options), lambda settings: tmp_path)[0]

    return build


# -- mistakes ---------------------------------------------------------------------------------


class ThousandClasses(NarrowAlexNet):
    def __init__(self, num_classes, *arguments, **options):
        super().__init__(1000, *arguments, **options)


def labels_of_other_images(trainer: Trainer) -> None:
    dataset = underlying(trainer.train_loader.dataset)
    dataset.labels = np.random.default_rng(0).permutation(dataset.labels)


def labels_all_the_same(trainer: Trainer) -> None:
    trainer.train_loader.dataset.labels[...] = 2


def relu_on_the_scores(trainer: Trainer) -> None:
    trainer.model.classifier = nn.Sequential(*trainer.model.classifier, nn.ReLU())


def zero_weights(trainer: Trainer) -> None:
    for layer in learned_layers(trainer.model):
        layer.weight.data[...] = 0


def input_not_centered(trainer: Trainer) -> None:
    for loader in (trainer.train_loader, trainer.val_loader):
        loader.preprocessing = replace(loader.preprocessing, mean=(0, 0, 0))


def augmented_validation(trainer: Trainer) -> None:
    trainer.val_loader.augmentation = Augmentation()


def frozen_layer(trainer: Trainer) -> None:
    trainer.model.features[4].weight.requires_grad = False


def layer_without_optimizer(trainer: Trainer) -> None:
    weights = trainer.optimizer.groups[0]["params"]
    weights[:] = [p for p in weights if p is not trainer.model.features[4].weight]


def dropout_in_evaluation(trainer: Trainer) -> None:
    trainer.model.eval = trainer.model.train


def validation_within_training(trainer: Trainer) -> None:
    trainer.val_loader.dataset = Subset(trainer.train_loader.dataset, 20)


def strong_normalization(trainer: Trainer) -> None:
    trainer.model.features[2].alpha = 1000 * UNIT_ALPHA


def normalization_of_gray_levels(trainer: Trainer) -> None:
    for layer in (trainer.model.features[2], trainer.model.features[6]):
        layer.alpha = PAPER_NORM["alpha"]


class Mistake(NamedTuple):
    """A plant, and what the doctor says of it before anything else.

    `options` are those of the command, `plant` changes the trainer that was made with them.
    """

    check: str
    verdict: str
    seen: str
    helps: str
    plant: Callable[[Trainer], None] = lambda trainer: None
    options: dict = {}
    architecture: type = NarrowAlexNet


MISTAKES = {
    "labels shuffled": Mistake(
        "labels", WARNING, "has the same label for only", "labels of the training images belong",
        labels_of_other_images,
    ),
    "constant labels": Mistake(
        "data", PROBLEM, "all are 'class2'", "data check", labels_all_the_same
    ),
    "ReLU on the scores": Mistake(
        "initial loss", PROBLEM, "no class score is negative", "removing the ReLU",
        # With seed 0 all four classes have positive scores anyway.
        relu_on_the_scores, options={"seed": 1},
    ),
    "rate 200 times too high": Mistake(
        "stability", PROBLEM, "rate * curvature", "--lr 0.", options={"lr": 2.0}
    ),
    "rate 100 times too low": Mistake(
        "overfitting", WARNING, "--lr 0.0001 is too small", "--lr 0.001", options={"lr": 1e-4}
    ),
    "zero weights": Mistake(
        "parameters", PROBLEM, "all weights of conv1 are 0", "random start",
        zero_weights,
    ),
    "input not centered": Mistake(
        "input", WARNING, "not centered", "subtracting the mean", input_not_centered
    ),
    "augmented validation": Mistake(
        "preparation", PROBLEM, "at random", "without augmentation", augmented_validation
    ),
    "frozen layer": Mistake(
        "parameters", PROBLEM, "weight of conv2 is frozen: its requires_grad",
        "requires_grad", frozen_layer,
    ),
    "layer that the optimizer lacks": Mistake(
        "parameters", PROBLEM, "conv2 is frozen: the optimizer does not have it",
        "to the optimizer", layer_without_optimizer,
    ),
    "dropout in evaluation": Mistake(
        "evaluation", PROBLEM, "different scores twice", "dropout off", dropout_in_evaluation
    ),
    "wrong number of classes": Mistake(
        "initial loss", PROBLEM, "scores 1,000 classes, the data have 4", "4 outputs",
        architecture=ThousandClasses,
    ),
    "validation images from training": Mistake(
        "images", WARNING, "20 are there more than once, in both sets", "no test",
        validation_within_training,
    ),
    "normalization 1000 times too strong": Mistake(
        "layers", WARNING, "norm1 divides by", "smaller alpha",
        strong_normalization,
    ),
    "normalization for another scale": Mistake(
        "normalization", WARNING, "norm1 and norm2 multiply by 0.595",
        f"alpha {PAPER_NORM['alpha'] / Settings.scale**2:.3g}",
        normalization_of_gray_levels,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name, build, monkeypatch):
    mistake = MISTAKES[name]
    monkeypatch.setitem(ARCHITECTURES, "alexnet", mistake.architecture)
    trainer = build(**mistake.options)
    mistake.plant(trainer)
    first = next(finding for finding in examine(trainer) if finding.verdict != OK)
    assert (first.check, first.verdict) == (mistake.check, mistake.verdict), first
    assert mistake.seen in first.seen
    assert mistake.helps in first.helps


# -- good settings ----------------------------------------------------------------------------

HEALTHY = {
    "default": {},
    "another seed": {"seed": 5},
    "owt": {"arch": "owt"},
    "adam": {"optimizer": "adam", "lr": 1e-3},
    "lars": {"optimizer": "lars", "lr": 5.0},
    "half the rate": {"lr": 0.005},
    "twice the rate": {"lr": 0.02},
    "small batches, constant rate": {"batch_size": 4, "lr_schedule": "constant", "lr": 0.005},
    "steps, accumulated": {"lr": 0.02, "lr_schedule": "step", "accumulate": 2},
    "mean image, no augmentation": {"mean": "image", "augmentation": "none"},
    "resized crops, weak dropout": {"augmentation": "resized", "dropout": 0.1},
    "balanced classes, conv1 frozen": {"sampling": "balanced", "freeze": ["conv1"]},
    "smoothed labels, weights, clipping": {
        **{"label_smoothing": 0.1, "class_weights": "auto"},
        **{"clip_grad_norm": 5.0, "nesterov": True},
    },
}


@pytest.fixture
def watched(monkeypatch):
    """What the watch says of a run of 180 steps, long enough for all its rules."""
    monkeypatch.setattr(watch, "MIN_STEPS", 80)
    monkeypatch.setattr(watch, "IMAGES_PER_CLASS", 160)

    def watched(trainer):
        warnings = []
        trainer.observers = [Watch(warnings.append)]
        trainer.fit(EPOCHS)
        return warnings

    return watched


@pytest.mark.parametrize("name", HEALTHY)
def test_good_settings(name, build, watched):
    """The doctor finds nothing before the run, and the watch nothing while it lasts."""
    assert [f for f in examine(build(**HEALTHY[name])) if f.verdict != OK] == []
    trainer = build(**HEALTHY[name], epochs=EPOCHS)
    assert watched(trainer) == []
    assert trainer.log.rows[-1]["val_top1"] > 1.5 / CLASSES


@pytest.mark.parametrize(
    "name, said",
    [
        ("labels shuffled", "as good as guessing"),
        ("constant labels", "have the label 'class2'"),
        ("rate 100 times too low", "as good as guessing"),
        ("frozen layer", "the weights of conv2 do not learn"),
    ],
)
def test_the_watch_sees_mistakes_in_as_long_a_run(name, said, build, watched):
    mistake = MISTAKES[name]
    trainer = build(**mistake.options, epochs=EPOCHS)
    mistake.plant(trainer)
    assert any(said in warning for warning in watched(trainer))
