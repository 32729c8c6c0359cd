"""LARS: steps worked out by hand, Algorithm 1 of the paper in float64, groups, and zeros."""

import numpy as np
import pytest

from minigrad import Tensor, backend, nn, optim

OPTIONS = {"lr": 2.0, "momentum": 0.9, "weight_decay": 0.01, "trust_coefficient": 0.02}


def step(optimizer, parameter, gradient):
    parameter.grad = Tensor(gradient)
    optimizer.step()


def test_two_steps_by_hand():
    w = nn.Parameter(np.array([3.0, 4.0]))
    optimizer = optim.LARS(
        [w], lr=10, momentum=0.5, weight_decay=0.1, trust_coefficient=0.01, eps=0.5
    )
    step(optimizer, w, np.array([0.0, 2.0]))
    # local rate = 0.01 * 5 / (2 + 0.1 * 5 + 0.5) = 1/60;  v = 1/6 * (g + 0.1 w)
    v = np.array([0.3, 2.4]) / 6
    np.testing.assert_allclose(w.data, np.array([3.0, 4.0]) - v, atol=1e-15)
    w.data[...] = [6.0, 8.0]
    step(optimizer, w, np.array([-3.0, 0.0]))
    # local rate = 0.01 * 10 / (3 + 0.1 * 10 + 0.5) = 1/45;  v = v / 2 + 2/9 * (g + 0.1 w)
    v = v / 2 + np.array([-2.4, 0.8]) * 2 / 9
    np.testing.assert_allclose(w.data, np.array([6.0, 8.0]) - v, atol=1e-15)


def algorithm_1(w, gradients, rates, momentum, weight_decay, trust_coefficient):
    """The paper's Algorithm 1 for one layer, line by line, in float64."""
    w, v = w.astype(np.float64), np.zeros(w.shape)
    for gamma, gradient in zip(rates, gradients):
        g = gradient.astype(np.float64)
        local_rate = (
            trust_coefficient
            * np.linalg.norm(w.ravel())
            / (np.linalg.norm(g.ravel()) + weight_decay * np.linalg.norm(w.ravel()))
        )
        v = momentum * v + gamma * local_rate * (g + weight_decay * w)
        w = w - v
    return w


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_equals_the_algorithm_of_the_paper(device, dtype, tolerance, cuda, rng):
    """Several layers whose sizes differ, and a rate that changes: it is inside the velocity."""
    asarray = backend.get(device).asarray
    shapes, rates = [(4, 3, 3, 3), (50, 40), (7,)], [2.0] * 5 + [0.2] * 5
    starts = [
        scale * rng.standard_normal(shape).astype(dtype)
        for scale, shape in zip((1, 9, 0.1), shapes)
    ]
    gradients = [rng.standard_normal((10, *shape)).astype(dtype) for shape in shapes]
    parameters = [nn.Parameter(asarray(start.copy())) for start in starts]
    optimizer = optim.LARS(parameters, **OPTIONS, eps=0.0)
    for i, rate in enumerate(rates):
        optimizer.groups[0]["lr"] = rate
        for parameter, given in zip(parameters, gradients):
            parameter.grad = Tensor(asarray(given[i]))
        optimizer.step()
    for parameter, start, given in zip(parameters, starts, gradients):
        expected = algorithm_1(start, given, rates, 0.9, 0.01, 0.02)
        np.testing.assert_allclose(parameter.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_a_step_does_not_depend_on_the_size_of_the_gradient(rng):
    start, gradient = rng.standard_normal((2, 20))
    steps = []
    for scale in (1e-6, 1, 1e6):
        w = nn.Parameter(start.copy())
        step(optim.LARS([w], lr=3.0, trust_coefficient=0.1, eps=0.0), w, scale * gradient)
        steps.append(w.data - start)
    assert np.linalg.norm(steps[0]) == pytest.approx(0.3 * np.linalg.norm(start))
    np.testing.assert_allclose(steps[1:], [steps[0]] * 2, rtol=1e-9)


@pytest.mark.parametrize(
    "start, gradient, options",
    [
        ([0.0, 0.0], [1.0, -2.0], {}),
        ([1.0, 2.0], [0.0, 0.0], {}),
        ([0.0, 0.0], [0.0, 0.0], {}),
        ([1.0, 2.0], [3.0, -1.0], {"trust_coefficient": None}),
    ],
    ids=["zero weights", "zero gradient", "both", "not adapted"],
)
def test_what_is_not_adapted_learns_by_sgd(start, gradient, options):
    ours, other = nn.Parameter(np.array(start)), nn.Parameter(np.array(start))
    step(optim.LARS([ours], **{**OPTIONS, **options}), ours, np.array(gradient))
    step(optim.SGD([other], 2.0, 0.9, 0.01, form="paper"), other, np.array(gradient))
    assert np.array_equal(ours.data, other.data)


def test_groups_have_their_own_options(rng):
    start, gradient = rng.standard_normal((2, 6))
    weight, bias = nn.Parameter(start.copy()), nn.Parameter(start.copy())
    optimizer = optim.LARS(
        [
            {"params": [weight]},
            {"params": [bias], "lr": 0.1, "weight_decay": 0.0, "trust_coefficient": None},
        ],
        lr=4.0,
        trust_coefficient=0.05,
        eps=0.0,
    )
    weight.grad = bias.grad = Tensor(gradient)
    optimizer.step()
    share = 4 * 0.05 * np.linalg.norm(start) / np.linalg.norm(gradient)
    np.testing.assert_allclose(weight.data, start - share * gradient)
    np.testing.assert_allclose(bias.data, start - 0.1 * gradient)


def test_a_gradient_that_is_not_finite_does_not_stay_hidden():
    for value in (np.nan, np.inf):
        w = nn.Parameter(np.ones(3))
        step(optim.LARS([w], **OPTIONS), w, np.array([1.0, value, 1.0]))
        assert not np.isfinite(w.data).all()
