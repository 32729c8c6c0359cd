"""Adam: steps worked out by hand, and PyTorch's."""

import math

import numpy as np
import pytest

from minigrad import Tensor, nn, optim


def test_two_steps_by_hand():
    w = nn.Parameter(np.array([1.0]))
    optimizer = optim.Adam([w], lr=0.1, betas=(0.8, 0.9), eps=0.5)
    w.grad = Tensor(np.array([2.0]))
    optimizer.step()
    # m / (1 - 0.8) = 2, v / (1 - 0.9) = 4
    expected = 1 - 0.1 * 2 / (2 + 0.5)
    assert w.data[0] == pytest.approx(expected, abs=1e-15)
    w.grad = Tensor(np.array([-1.0]))
    optimizer.step()
    m, v = 0.8 * 0.4 - 0.2, 0.9 * 0.4 + 0.1
    expected -= 0.1 * (m / (1 - 0.8**2)) / (math.sqrt(v / (1 - 0.9**2)) + 0.5)
    assert w.data[0] == pytest.approx(expected, abs=1e-15)


def test_first_step_has_the_size_of_the_rate():
    w = nn.Parameter(np.array([1.0, 1.0, 1.0]))
    w.grad = Tensor(np.array([1e-3, -5.0, 1e4]))
    optim.Adam([w], lr=0.01).step()
    np.testing.assert_allclose(w.data, [0.99, 1.01, 0.99], atol=1e-6)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_equals_pytorch(torch, rng, dtype, tolerance):
    start = rng.standard_normal((3, 5)).astype(dtype)
    options = {"lr": 0.01, "betas": (0.85, 0.99), "eps": 1e-6, "weight_decay": 0.1}
    ours, theirs = nn.Parameter(start.copy()), torch.tensor(start, requires_grad=True)
    optimizer, other = optim.Adam([ours], **options), torch.optim.Adam([theirs], **options)
    for i in range(10):
        gradient = rng.standard_normal((3, 5)).astype(dtype)
        if i == 5:
            optimizer.groups[0]["lr"] = other.param_groups[0]["lr"] = 0.003
        ours.grad, theirs.grad = Tensor(gradient), torch.tensor(gradient)
        optimizer.step(), other.step()
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "options", [{"lr": -1}, {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"weight_decay": -1}]
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match="Adam: need lr >= 0, betas in"):
        optim.Adam([nn.Parameter(np.ones(1))], **options)
