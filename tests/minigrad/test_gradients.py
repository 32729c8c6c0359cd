"""Every operation, and the whole network, against finite differences in float64."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import AlexNet, AlexNetOWT
from minigrad import backend, nn
from minigrad import functional as F
from tests.op_cases import CASES, SMALL_CASES

pytestmark = pytest.mark.usefixtures("one_thread")

# Above these sizes one direction is compared instead of the full Jacobian.
FULL_JACOBIAN = {"cpu": 1500, "reference": 120, "cuda": 60}


def checked_inputs(case, rng, device="cpu"):
    arrays = case.make_inputs(rng, np.float64)
    asarray = backend.get(device).asarray
    return [mg.Tensor(asarray(x), requires_grad=True) for x in arrays]


@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_gradient(case, kernels, rng):
    inputs = checked_inputs(case, rng, "cuda" if kernels == "cuda" else "cpu")
    full = max(x.numel() for x in inputs) <= FULL_JACOBIAN[kernels]
    mg.gradcheck(case.function, inputs, eps=case.eps, mode="full" if full else "direction")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", [case for case in CASES if case.large], ids=lambda case: case.name)
def test_gradient_at_the_sizes_of_alexnet(case, rng, seed):
    # Tighter than by default: at the paper's constants the cross term of the local response
    # normalization is so small that the default tolerances would not see it.
    inputs = checked_inputs(case, rng)
    mg.gradcheck(case.function, inputs, mode="direction", seed=seed, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("network", [AlexNet, AlexNetOWT])
def test_gradient_of_the_whole_network(network, device, cuda, rng):
    """Dropout, normalization, groups and loss included, in all parameters and the images."""
    model = network(num_classes=5, image_size=67, width=0.03, init="torch").to(np.float64)
    model.to(device)
    places = [
        (module, name)
        for _, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, nn.Parameter)
    ]
    images = backend.get(device).asarray(rng.standard_normal((3, 3, 67, 67)))

    def loss(images, *parameters):
        for (module, name), parameter in zip(places, parameters):
            setattr(module, name, parameter)
        mg.manual_seed(1)
        return F.cross_entropy(model(images), np.array([0, 4, 2]))

    images = mg.Tensor(images, requires_grad=True)
    mg.gradcheck(loss, [images, *model.parameters()], mode="direction", atol=1e-9, rtol=1e-6)


def test_every_operation_has_a_case():
    public = {
        name
        for name, function in inspect.getmembers(F, inspect.isfunction)
        if function.__module__ == F.__name__ and not name.startswith("_")
    }
    assert {case.operation for case in CASES} == public == set(F.__all__)
    assert len({case.name for case in CASES}) == len(CASES)
