"""The doctor's checks of a network, by themselves."""

import numpy as np
import pytest

import minigrad as mg
from alexnet.doctor import OK, PROBLEM, WARNING, network_checks, training_checks
from alexnet.model import ARCHITECTURES, PAPER_NORM, learned_layers
from alexnet.training.settings import Settings
from minigrad import nn, optim
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def images(rng):
    return rng.standard_normal((8, 3, 67, 67), np.float32)


@pytest.fixture
def labels():
    return np.arange(8) % 3


def test_relu_on_the_scores(images, labels):
    model = nn.Sequential(*NarrowAlexNet(3, 67).features, *NarrowAlexNet(3, 67).classifier)
    model = nn.Sequential(*model, nn.ReLU())
    _, scores = network_checks.signals(model, images, labels, 0.01)
    finding = network_checks.initial_loss(scores, labels, 3)
    assert finding.verdict == PROBLEM
    assert finding.helps == "removing the ReLU after the last layer"


# The paper's alpha, for input of unit size: gray levels divided by 64.
UNIT_SCALE = 1 / 64
UNIT_ALPHA = PAPER_NORM["alpha"] / UNIT_SCALE**2


@pytest.mark.parametrize("factor, warns", [(1, False), (10, True), (1000, True)])
def test_normalization_that_is_too_strong(images, labels, factor, warns):
    model = NarrowAlexNet(3, 67, norm={"alpha": factor * UNIT_ALPHA})
    finding = network_checks.layers(network_checks.signals(model, images, labels, 0.01)[0])
    assert ("norm1 divides by" in finding.seen, finding.verdict == WARNING) == (warns, warns)
    assert (finding.helps == f"a smaller alpha, as with --scale {Settings.scale:.3g}") == warns


@pytest.mark.parametrize(
    "norm, scale, init, helps",
    [
        # The paper's, and the same for other scales.
        ({"alpha": 5e-4}, 1.0, "paper", ""),
        ({"alpha": 1e-4}, 1.0, "code2012", ""),
        ({"alpha": UNIT_ALPHA}, UNIT_SCALE, "default", ""),
        ({"alpha": UNIT_ALPHA / 5, "k": 1.0}, UNIT_SCALE, "default", ""),
        # Copies of the constants alone.
        ({"alpha": 5e-4}, UNIT_SCALE, "default", "alpha 2.05, the paper's 0.0005 / 0.0156²"),
        ({"alpha": 1e-4}, 1 / 255, "default", "alpha 32.5, the paper's 0.0005 / 0.00392²"),
        ({"alpha": UNIT_ALPHA}, UNIT_SCALE, "tiny", "larger weights in conv1"),
        # Somebody wants none.
        ({"alpha": 0.0}, UNIT_SCALE, "default", ""),
        ({"beta": 0.0}, UNIT_SCALE, "default", ""),
    ],
)
def test_a_normalization_that_is_a_constant(rng, norm, scale, init, helps):
    model = NarrowAlexNet(3, 67, init="default" if init == "tiny" else init, norm=norm)
    if init == "tiny":
        model.features[0].weight.data *= 1e-3
    grays = rng.normal(0, 60, (8, 3, 9, 9)).repeat(8, 2).repeat(8, 3)[:, :, :67, :67]
    finding = network_checks.normalization(model, (scale * grays).astype(np.float32), scale)
    assert (finding.verdict == WARNING) == bool(helps), finding
    assert helps in finding.helps
    assert ("norm1 and norm2 multiply by 0.595" in finding.seen) == bool(helps)


def test_one_normalization_that_normalizes_is_enough(images):
    """norm2 of the paper's own start is a constant until its weights have grown."""
    model = NarrowAlexNet(3, 67, norm={"alpha": UNIT_ALPHA})
    for constant, verdict, seen in (
        (6, OK, "the output of norm1 depends"),
        (2, WARNING, "norm1 a"),
    ):
        model.features[constant].alpha = 1e-4
        finding = network_checks.normalization(model, images, UNIT_SCALE)
        assert finding.verdict == verdict and finding.seen.startswith(seen)


def test_networks_in_which_nothing_can_normalize(images):
    assert network_checks.normalization(NarrowOWT(3, 67), images, 1.0) == (
        *(OK, "normalization", "there is none"),
        "",
    )
    model = NarrowAlexNet(3, 67, norm={"alpha": UNIT_ALPHA})
    for layer in learned_layers(model):
        layer.weight.data[...] = 0
    assert network_checks.normalization(model, images, UNIT_SCALE).verdict == OK


def test_a_frozen_layer(images, labels):
    model = NarrowAlexNet(3, 67)
    model.features[4].weight.requires_grad = False
    finding = network_checks.layers(network_checks.signals(model, images, labels, 0.01)[0])
    assert (finding.verdict, "hardly reaches conv2" in finding.seen) == (
        PROBLEM,
        True,
    )


def test_dead_units(images, labels):
    model = NarrowAlexNet(3, 67)
    model.features[8].bias.data[...] = -100
    finding = network_checks.layers(network_checks.signals(model, images, labels, 0.01)[0])
    assert finding.seen == "the output of relu3 is zero for all images"
    assert finding.verdict == PROBLEM


def test_scores_that_are_too_large(images, labels):
    model = NarrowAlexNet(3, 67)
    learned_layers(model)[-1].weight.data *= 1000
    _, scores = network_checks.signals(model, images, labels, 0.01)
    assert network_checks.initial_loss(scores, labels, 3).verdict == PROBLEM


def test_dropout_left_on(images):
    class Careless(NarrowAlexNet):
        def eval(self):
            return self.train()

    assert training_checks.evaluation(NarrowAlexNet(3, 67), images).verdict == OK
    assert training_checks.evaluation(Careless(3, 67), images).verdict == PROBLEM


def head(num_classes, dropout=0.0):
    """4096 hidden units that are 1 whatever the image is, and a last layer."""
    hidden = nn.Linear(12, 4096)
    hidden.weight.data[...], hidden.bias.data[...] = 0, 1
    return nn.Sequential(
        *(nn.Flatten(), hidden, nn.ReLU(), nn.Dropout(dropout), nn.Linear(4096, num_classes))
    )


@pytest.mark.parametrize("num_classes, verdict", [(10, PROBLEM), (1000, OK)])
def test_biases_of_one_and_the_number_of_classes(num_classes, verdict, rng):
    """Hidden units near 1, as in the paper's network: 4096 of them are too many for 10 classes."""
    model, images = head(num_classes), rng.standard_normal((16, 3, 2, 2), np.float32)
    optimizer = optim.SGD(model.parameters(), 0.02, 0.9)
    finding = training_checks.head_stability(model, images, optimizer)
    assert finding.verdict == verdict
    assert f"is {0.02 * 4096 / num_classes:.2g}, stable below 3.8" in finding.seen


def test_dropout_makes_the_last_layer_less_stable(rng):
    """With one image the curvature is |h|^2 / C, and half of the units are doubled."""
    model, images = head(100, dropout=0.5), rng.standard_normal((1, 3, 2, 2), np.float32)
    optimizer = optim.SGD(model.parameters(), 0.01, 0.9)
    finding = training_checks.head_stability(model, images, optimizer)
    assert "is 0.8" in finding.seen  # 0.82, where it is 0.41 in evaluation


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_default_start_is_stable_with_few_classes(name, num_classes, rng):
    model = ARCHITECTURES[name](num_classes, 67)
    optimizer = optim.SGD(model.parameters(), Settings.lr, Settings.momentum)
    images = rng.standard_normal((8, 3, 67, 67), np.float32)
    assert training_checks.head_stability(model, images, optimizer).verdict == OK


def test_stability_is_where_gradient_descent_begins_to_diverge(rng):
    """The bound is that of a quadratic: just below it the last layer converges."""
    for factor, stable in ((0.9, True), (1.1, False)):
        velocity, weight, rate, curvature = 0.0, 1.0, 0.1, factor * 3.8 / 0.1
        for _ in range(500):
            velocity = 0.9 * velocity - rate * curvature * weight
            weight += velocity
        assert (abs(weight) < 1) == stable


def test_overfitting_learns(images, labels):
    mg.manual_seed(1)
    model = NarrowAlexNet(3, 67)
    optimizer = optim.SGD(model.parameters(), 0.02, 0.9)
    assert training_checks.overfit(model, optimizer, images, labels).verdict == OK
