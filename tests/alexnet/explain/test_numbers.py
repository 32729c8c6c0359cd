"""Every number that is explained is the network's own, forward and backward."""

import math

import numpy as np
import pytest

from alexnet.explain import gradients, outputs
from alexnet.explain.passes import Passes
from alexnet.inference import layers
from minigrad import Tensor, manual_seed, no_grad
from minigrad import functional as F
from tests.alexnet.explain.networks import NETWORKS, network_and_image, random_place

pytestmark = pytest.mark.usefixtures("one_thread")
PLACES = 4  # of each layer


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_has_the_bits_of_the_whole_network(name, rng):
    model, image = network_and_image(name, rng)
    passes = Passes(model, image)
    with no_grad():
        np.testing.assert_array_equal(passes.scores, model(Tensor(image)).numpy()[0])
    stages = layers.activations(model, Tensor(image), list(layers.stages(model)))
    assert stages.keys() <= passes.layers.keys()
    for stage, values in stages.items():
        np.testing.assert_array_equal(passes.layers[stage].output, values[0], err_msg=stage)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_what_their_parts_give(name, rng):
    model, image = network_and_image(name, rng)
    for layer in Passes(model, image).layers.values():
        size = float(np.abs(layer.before).max())
        for _ in range(PLACES):
            place = random_place(layer, rng)
            account = outputs.account(layer, place)
            assert account.value == layer.output[place]
            assert account.lines[-1].value == pytest.approx(account.value, abs=1e-6 * size)
            for kernel in account.kernels:
                assert kernel.value == pytest.approx(account.exact, abs=2e-6 * size), layer.name
                if kernel.is_used:
                    assert kernel.value == layer.before[place], layer.name
            if account.terms is not None:
                shown = math.fsum(term.value for term in account.terms.rows)
                total = shown + account.terms.rest
                assert total == pytest.approx(account.lines[0].value, abs=1e-9) or (
                    total == pytest.approx(account.lines[1].value, rel=1e-9)  # of squares
                )


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_what_later_outputs_send(name, rng):
    model, image = network_and_image(name, rng)
    passes = Passes(model, image, label=3)
    for layer in passes.layers.values():
        size = float(np.abs(layer.grad_output).max())
        for _ in range(PLACES):
            place = random_place(layer, rng)
            account = gradients.account(passes, layer, place)
            assert account.value == layer.grad_output[place]
            assert account.exact == pytest.approx(account.value, abs=1e-6 * size), layer.name
            assert account.lines[-1].value == pytest.approx(
                layer.grad_before[place], abs=1e-6 * size
            )
            for kernel in account.kernels:
                assert kernel.value == pytest.approx(account.exact, abs=2e-6 * size), layer.name
                if kernel.is_used:
                    assert kernel.value == account.value, layer.name


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_slopes_of_the_loss(name, rng):
    """In float64, against finite differences through the layers that follow."""
    model, image = network_and_image(name, rng, np.float64)
    label, step = 2, 1e-6
    passes = Passes(model, image, label)
    modules = list(layers.named_layers(model).items())
    names = [name for name, _ in modules]

    def loss_of(layer, values):
        """From the output of a layer with its activation."""
        tensor = Tensor(values[np.newaxis])
        first = names.index(layer.name) + 1 + (layer.activation is not None)
        with no_grad():
            for _, module in modules[first:]:
                tensor = module(tensor)
            return F.cross_entropy(tensor, np.array([label])).item()

    for layer in passes.layers.values():
        # Among zeros behind a ReLU the smallest step makes another one the largest of a window.
        places = np.argwhere(layer.output != 0)
        place = tuple(places[rng.integers(len(places))])
        sides = []
        for sign in (1, -1):
            values = layer.output.copy()
            values[place] += sign * step
            sides.append(loss_of(layer, values))
        slope = (sides[0] - sides[1]) / (2 * step)
        account = gradients.account(passes, layer, place)
        assert account.exact == pytest.approx(slope, rel=1e-4, abs=1e-8), layer.name


@pytest.mark.parametrize("name", ["alexnet", "owt"])
def test_cuda_gives_the_same_numbers(name, cuda, rng):
    """Through the same accounts, which ask every backend that is there."""
    model, image = network_and_image(name, rng)
    passes = Passes(model, image)
    for layer in passes.layers.values():
        place = random_place(layer, rng)
        accounts = outputs.account(layer, place), gradients.account(passes, layer, place)
        sizes = (float(np.abs(x).max()) for x in (layer.before, layer.grad_output))
        for account, size in zip(accounts, sizes):
            found = {kernel.kernel for kernel in account.kernels}
            assert not found or any(kernel.startswith("CUDA") for kernel in found)
            for kernel in account.kernels:
                allowed = 2e-3 if "TF32" in kernel.kernel else 2e-6
                assert kernel.value == pytest.approx(account.exact, abs=allowed * size), kernel


def test_dropout_is_explained_as_training_draws_it(rng):
    model, image = network_and_image("alexnet", rng)
    layer = Passes(model, image).layers["drop6"]
    manual_seed(0)
    drawn = F.dropout(Tensor(layer.input[np.newaxis]), layer.module.p).numpy()[0]
    for unit in range(40):
        _, in_training, in_evaluation = outputs.account(layer, (unit,)).lines
        assert in_training.value == pytest.approx(drawn[unit], rel=1e-6)
        assert in_evaluation.value == layer.input[unit]
