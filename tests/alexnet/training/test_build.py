"""Optimizers and schedules of a run, from its settings."""

import numpy as np
import pytest

from alexnet.errors import UsageError
from alexnet.model import learned_layers
from alexnet.training import optimizer_state
from alexnet.training.build import _build_optimizer, _build_schedule
from alexnet.training.options import new_run, parse
from alexnet.training.settings import Settings
from minigrad import Tensor, optim
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


def test_single_layers_have_a_weight_decay_of_their_own():
    model = NarrowAlexNet(3, 67)
    decay = {"default": 0.004, "fc8": 1.0, "conv2": 0.0}
    optimizer = _build_optimizer(model, Settings(weight_decay=decay))
    found = {}
    for group in optimizer.groups:
        found |= {id(parameter): group["weight_decay"] for parameter in group["params"]}
    layers = learned_layers(model)
    assert [found.pop(id(layer.weight)) for layer in layers] == [
        *(0.004, 0.0, 0.004, 0.004, 0.004, 0.004, 0.004, 1.0)
    ]
    assert [found.pop(id(layer.bias)) for layer in layers] == [0.0] * 8
    assert not found
    for layer in ("fc9", "norm1", "conv", ""):
        with pytest.raises(UsageError, match=f"--weight-decay: there is no layer '{layer}', only"):
            _build_optimizer(model, Settings(weight_decay={"default": 0.004, layer: 1.0}))


def test_a_step_decays_each_layer_by_its_own_share(rng):
    """v = 0.9 v - decay * rate * w - rate * g, as section 5 has it, twice."""
    model = NarrowAlexNet(3, 67).to("float64")
    settings = Settings(weight_decay={"default": 0.5, "conv2": 2.0}, lr=0.1, momentum=0.9)
    optimizer = _build_optimizer(model, settings)
    expected = {name: p.numpy().copy() for name, p in model.named_parameters()}
    velocity = {name: np.zeros_like(array) for name, array in expected.items()}
    for _ in range(2):
        for name, parameter in model.named_parameters():
            gradient = rng.standard_normal(parameter.shape)
            parameter.grad = Tensor(gradient)
            rate = 0.2 if name.endswith("bias") else 0.1
            decay = {"features.4.weight": 2.0}.get(name, 0.5 if rate == 0.1 else 0.0)
            velocity[name] = 0.9 * velocity[name] - rate * (decay * expected[name] + gradient)
            expected[name] = expected[name] + velocity[name]
        optimizer.step()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.numpy(), expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["sgd", "lars", "adam"])
def test_the_stored_state_does_not_depend_on_the_weight_decay(name, rng):
    decays = 0.1, {"default": 0.1, "conv4": 1.0, "conv1": 0.5}, {"default": 0.1, "fc6": 1.0}
    model, other = NarrowAlexNet(3, 67), NarrowAlexNet(3, 67)
    for parameter in model.parameters():
        parameter.grad = Tensor(rng.standard_normal(parameter.shape).astype(np.float32))
    plain, *layered = (Settings(optimizer=name, weight_decay=decay) for decay in decays)
    optimizer = _build_optimizer(model, plain)
    optimizer.step()
    before = optimizer_state.get(model, optimizer)
    assert before.keys() == optimizer.state_dict().keys()
    for settings in layered:
        optimizer = _build_optimizer(other, settings)
        optimizer_state.load(other, optimizer, before)
        after = optimizer_state.get(other, optimizer)
        assert after.keys() == before.keys()
        assert all(np.array_equal(after[key], before[key]) for key in before)
        conv2 = optimizer.state_of(other.features[4].weight)
        for kind, value in conv2.items():
            assert np.array_equal(value, before[f"0.1.{kind}"])
    for damaged in ({}, {**before, "2.0.velocity": np.zeros(3)}, {**before, "name": np.zeros(3)}):
        with pytest.raises(ValueError, match="the state belongs to other parameters"):
            optimizer_state.load(other, optimizer, damaged)


@pytest.mark.parametrize("name", ["cosine", "plateau", "step", "constant"])
@pytest.mark.parametrize("warmup, steps", [(0.0, 0), (0.25, 10)])
def test_warm_up_is_a_share_of_all_steps(name, warmup, steps):
    settings = Settings(epochs=4, warmup=warmup, lr_schedule=name)
    optimizer = _build_optimizer(NarrowAlexNet(3, 67), settings)
    schedule = _build_schedule(optimizer, settings, steps_per_epoch=10)
    assert schedule.warmup_steps == steps
    assert optimizer.groups[0]["lr"] == pytest.approx(settings.lr / max(1, steps))


def test_milestones():
    """Rates of 0.01, 0.001 and 0.0001 in epochs 1 to 15, 16 to 25, and 26 to 30."""
    given = ["--lr-schedule", "step", "--lr-milestones", "15,25", "--warmup", "0", "--epochs", "30"]
    settings = new_run(parse(given)[0])
    optimizer = _build_optimizer(NarrowAlexNet(3, 67), settings)
    schedule = _build_schedule(optimizer, settings, steps_per_epoch=10)
    rates = []
    for _ in range(settings.epochs):
        rates.append(optimizer.groups[0]["lr"])
        schedule.epoch_end(0.5)
    assert rates == pytest.approx(15 * [0.01] + 10 * [0.001] + 5 * [0.0001])
