"""What is measured of a run: of which network, on which images, and what becomes of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.experiments import measures
from alexnet.inference.results import proportion
from alexnet.run.checkpoint import LAST
from alexnet.training.settings import Settings
from tests.alexnet.experiments.made_up import COMPARED

ONE_VIEW = np.array([1, 1, 2, 1, 3, 1, 1])  # of 7 images, the rank of the label
TEN_VIEWS = np.array([1, 1, 1, 2, 2, 4, 3])
METRICS = {"train_loss": 1.5, "train_top1": 0.4, "val_loss": 2.0, "val_top1": 0.3, "val_top5": 0.8}


class TrainingImages:
    """Thirty of two classes."""

    classes, labels = ["a", "b"], np.arange(30) % 2

    def __len__(self):
        return 30


class FakeNetwork:
    """A network with known answers."""

    def __init__(self, source, **options):
        self.source, self.model, self.training_images = source, None, None
        FakeNetwork.made = self

    def evaluate(self, data, *, split="validation", views=1):
        if split == "train":
            self.training_images = data.indices
            return SimpleNamespace(accuracy=lambda k: proportion(3, 4))
        return SimpleNamespace(rank=ONE_VIEW if views == 1 else TEN_VIEWS)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The measures of a run of 3 epochs, and the network that they are of."""
    monkeypatch.setattr(measures, "Trained", FakeNetwork)
    monkeypatch.setattr(measures, "load_sets", lambda settings: (TrainingImages(), ONE_VIEW))
    monkeypatch.setattr(measures, "MOST_TRAINING_IMAGES", 20)
    conv1 = SimpleNamespace(weight=SimpleNamespace(numpy=lambda: np.ones((4, 3, 1, 1))))
    monkeypatch.setattr(measures.layers, "convolutions", lambda model: {"conv1": conv1})
    rows = [
        {"epoch": epoch, **METRICS, "lr": 0.01, "images_per_s": 10.0 * epoch, "seconds": 2.5}
        for epoch in (1, 2, 3)
    ]
    rows[-1] |= {"train_top1": 0.8, "val_top1": 0.6}
    monkeypatch.setattr(measures, "read_rows", lambda folder: rows)

    def measured(seed=0):
        ending = SimpleNamespace(folder=tmp_path, settings=Settings(seed=seed))
        return measures.measure_complete_run(COMPARED, ending), FakeNetwork.made

    return measured


def test_the_network_of_the_last_epoch_is_measured(measured, tmp_path):
    """That of the best would be chosen on the test images."""
    values, network = measured()
    assert network.source == tmp_path / LAST
    assert (values["train_top1"], values["val_top1"], values["epochs"]) == (0.8, 0.6, 3)
    assert (values["images_per_s"], values["seconds"]) == (30.0, 7.5)


def test_images_that_only_one_way_classifies_correctly_are_counted(measured):
    values, _ = measured()
    assert (values["only_one_view"], values["only_ten_views"], values["val_images"]) == (3, 1, 7)
    assert values["ten_views_top1"] == 3 / 7


def test_the_training_error_is_of_the_same_images_for_every_seed(measured):
    (values, first), (_, second) = measured(seed=0), measured(seed=1)
    assert values["train_top1_evaluated"] == 0.75
    assert len(set(first.training_images)) == 20
    assert first.training_images.tolist() == second.training_images.tolist()


def test_shares_are_of_errors():
    values = {"val_top1": 0.75, "train_top1_evaluated": 0.875, "train_top1": 0.5, "val_loss": 2.0}
    values["ten_views_top1"] = 0.8125
    found = {name: measure.value(values) for name, measure in measures.MEASURES.items()}
    assert found == {
        "val_error": 0.25,
        "val_loss": 2.0,
        "train_error": 0.125,
        "running_train_error": 0.5,
        "gap": 0.125,
        "ten_views_error": 0.1875,
    }
