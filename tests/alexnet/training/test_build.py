"""Optimizers and schedules of a run, from its settings."""

import pytest

from alexnet.training.build import _build_optimizer, _build_schedule
from alexnet.training.settings import Settings
from minigrad import optim
from tests.alexnet.narrow import NarrowAlexNet


@pytest.mark.parametrize(
    "name, kind, lr, bias_lr",
    [("sgd", optim.SGD, 0.04, 0.08), ("lars", optim.LARS, 6.0, 0.012), ("adam", optim.Adam, 1, 1)],
)
def test_weights_and_biases_learn_differently(name, kind, lr, bias_lr):
    model = NarrowAlexNet(3, 67)
    optimizer = _build_optimizer(model, Settings(optimizer=name, lr=lr, weight_decay=0.1))
    assert type(optimizer) is kind
    weights, biases = optimizer.groups
    assert {p.ndim for p in biases["params"]} == {1} and len(biases["params"]) == 8
    assert {p.ndim for p in weights["params"]} == {2, 4} and len(weights["params"]) == 8
    assert (weights["lr"], weights["weight_decay"]) == (lr, 0.1)
    assert (biases["lr"], biases["weight_decay"]) == (pytest.approx(bias_lr), 0)
    if name == "lars":
        assert (weights["trust_coefficient"], biases["trust_coefficient"]) == (0.001, None)
    if name != "adam":
        assert weights["momentum"] == biases["momentum"] == Settings.momentum


@pytest.mark.parametrize("name", ["cosine", "plateau", "step", "constant"])
@pytest.mark.parametrize("warmup, steps", [(0.0, 0), (0.25, 10)])
def test_warm_up_is_a_share_of_all_steps(name, warmup, steps):
    settings = Settings(epochs=4, warmup=warmup, lr_schedule=name)
    optimizer = _build_optimizer(NarrowAlexNet(3, 67), settings)
    schedule = _build_schedule(optimizer, settings, steps_per_epoch=10)
    assert schedule.warmup_steps == steps
    assert optimizer.groups[0]["lr"] == pytest.approx(settings.lr / max(1, steps))
