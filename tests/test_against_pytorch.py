"""Values and gradients against PyTorch, an oracle written by others: operations and networks."""

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import AlexNet, AlexNetOWT
from benchmarks import peer
from minigrad import functional as F
from minigrad import optim
from tests.op_cases import CASES

pytestmark = pytest.mark.usefixtures("one_thread")

# Largest error relative to the largest magnitude.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", [case for case in CASES if case.torch], ids=lambda case: case.name)
def test_operation(case, dtype, torch, rng):
    arrays = case.make_inputs(rng, dtype)
    ours = [mg.Tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    output, expected = case.function(*ours), case.torch(torch, *theirs)
    assert_equal("output", output.data, expected, TOLERANCE[dtype])
    grad_output = np.asarray(rng.standard_normal(output.shape), dtype)
    output.backward(mg.Tensor(grad_output))
    expected.backward(torch.tensor(grad_output))
    for i, (x, y) in enumerate(zip(ours, theirs)):
        assert_equal(f"gradient of input {i}", x.grad.data, y.grad, TOLERANCE[dtype])


def assert_equal(name, array, tensor, tolerance):
    expected = tensor.detach().numpy()
    assert array.shape == expected.shape and array.dtype == expected.dtype, name
    scale = np.abs(expected).max()
    assert np.abs(array - expected).max() <= tolerance * max(scale, 1e-30), name


# -- networks -----------------------------------------------------------------------------


NETWORKS = (AlexNet, AlexNetOWT)
CLASSES, IMAGE_SIZE = 7, 83


def twins(network, torch, dtype):
    """A network at an eighth of its width, and PyTorch's with the same weights."""
    model = network(CLASSES, IMAGE_SIZE, dropout=0.0, init="torch", width=1 / 8).to(dtype)
    return model, peer.network(torch, model)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("network", NETWORKS)
def test_network(network, dtype, torch, rng):
    model, other = twins(network, torch, dtype)
    images = rng.standard_normal((17, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(dtype)
    labels = rng.integers(0, CLASSES, 17)
    ours, theirs = mg.Tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
    output, expected = model(ours), other(theirs)
    assert_equal("output", output.data, expected, TOLERANCE[dtype])
    F.cross_entropy(output, labels).backward()
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    assert_equal("gradient of the images", ours.grad.data, theirs.grad, TOLERANCE[dtype])
    for (name, parameter), other_parameter in zip(
        model.named_parameters(), other.parameters(), strict=True
    ):
        assert_equal(name, parameter.grad.data, other_parameter.grad, TOLERANCE[dtype])


@pytest.mark.parametrize("network", NETWORKS)
def test_twenty_steps_of_sgd_have_equal_losses(network, torch, rng):
    model, other = twins(network, torch, np.float32)
    options = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}
    optimizer = optim.SGD(model.parameters(), **options)
    other_optimizer = torch.optim.SGD(other.parameters(), **options)
    images = rng.standard_normal((17, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
    labels = rng.integers(0, CLASSES, 17)
    losses, expected = [], []
    for _ in range(20):
        loss = F.cross_entropy(model(mg.Tensor(images)), labels)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        other_loss = torch.nn.functional.cross_entropy(
            other(torch.tensor(images)), torch.tensor(labels)
        )
        other_optimizer.zero_grad()
        other_loss.backward()
        other_optimizer.step()
        expected.append(other_loss.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    assert abs(losses[-1] - losses[0]) > 0.01, "the steps are too small to show anything"
