"""SGD: steps worked out by hand, the two forms, groups, and PyTorch's."""

import numpy as np
import pytest

from minigrad import Tensor, nn, optim


def parameter(*values, dtype=np.float64):
    return nn.Parameter(np.array(values, dtype))


def step(optimizer, parameter, *gradient):
    parameter.grad = Tensor(np.array(gradient, parameter.dtype))
    optimizer.step()


@pytest.mark.parametrize("form", ["torch", "paper"])
def test_two_steps_by_hand(form):
    w = parameter(1.0)
    optimizer = optim.SGD([w], lr=0.5, momentum=0.8, weight_decay=0.1, form=form)
    step(optimizer, w, 2.0)
    # g + wd w = 2.1;  w = 1 - 0.5 * 2.1
    assert w.data[0] == pytest.approx(-0.05, abs=1e-15)
    step(optimizer, w, 1.0)
    # v = 0.8 * 2.1 + 1 - 0.005 = 2.675;  w = -0.05 - 0.5 * 2.675
    assert w.data[0] == pytest.approx(-1.3875, abs=1e-15)


def test_forms_differ_after_the_rate_drops():
    """By hand: in the paper's form the old velocity keeps the old rate."""
    results = {}
    for form in ("torch", "paper"):
        w = parameter(0.0)
        optimizer = optim.SGD([w], lr=1.0, momentum=0.5, form=form)
        step(optimizer, w, 1.0)
        optimizer.groups[0]["lr"] = 0.1
        step(optimizer, w, 1.0)
        results[form] = w.data[0]
    assert results["torch"] == pytest.approx(-1 - 0.1 * 1.5)
    assert results["paper"] == pytest.approx(-1 - (0.5 + 0.1))


def test_without_momentum():
    w = parameter(1.0, 2.0)
    step(optim.SGD([w], lr=0.1), w, 1.0, -1.0)
    np.testing.assert_allclose(w.data, [0.9, 2.1])


def test_groups_have_their_own_options():
    weight, bias = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD(
        [{"params": [weight]}, {"params": [bias], "lr": 0.2, "weight_decay": 0.0}],
        lr=0.1,
        weight_decay=0.5,
    )
    weight.grad = bias.grad = Tensor(np.array([1.0]))
    optimizer.step()
    np.testing.assert_allclose([weight.data[0], bias.data[0]], [1 - 0.1 * 1.5, 1 - 0.2])
    assert [group["initial_lr"] for group in optimizer.groups] == [0.1, 0.2]


def test_parameter_without_gradient_stays():
    w, other = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([w, other], lr=0.1, weight_decay=0.1)
    step(optimizer, w, 1.0)
    assert other.data[0] == 1 and w.data[0] != 1
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_equals_pytorch(torch, rng, dtype, tolerance, nesterov):
    start = rng.standard_normal((3, 5)).astype(dtype)
    options = {"lr": 0.07, "momentum": 0.9, "weight_decay": 0.01, "nesterov": nesterov}
    ours, theirs = nn.Parameter(start.copy()), torch.tensor(start, requires_grad=True)
    optimizer, other = optim.SGD([ours], **options), torch.optim.SGD([theirs], **options)
    for i in range(20):
        gradient = rng.standard_normal((3, 5)).astype(dtype)
        if i == 5:
            optimizer.groups[0]["lr"] = other.param_groups[0]["lr"] = 0.01
        ours.grad, theirs.grad = Tensor(gradient), torch.tensor(gradient)
        optimizer.step(), other.step()
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", [optim.LARS, optim.SGD, optim.Adam])
def test_state_goes_on_where_it_was_saved(optimizer, rng):
    gradients = rng.standard_normal((6, 3))
    w = parameter(1.0, 2.0, 3.0)
    options = {} if optimizer is optim.Adam else {"momentum": 0.9}
    whole = optimizer([w], lr=0.1, **options)
    for i, gradient in enumerate(gradients):
        if i == 3:
            half = nn.Parameter(w.data.copy())
            state = {name: value.copy() for name, value in whole.state_dict().items()}
        step(whole, w, *gradient)
    resumed = optimizer([half], lr=0.1, **options)
    resumed.load_state_dict(state)
    for gradient in gradients[3:]:
        step(resumed, half, *gradient)
    assert np.array_equal(w.data, half.data)
    with pytest.raises(ValueError, match="the state belongs to other parameters"):
        optimizer([parameter(1.0)], lr=0.1).load_state_dict(state)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lr": -1}, "SGD: need lr >= 0, 0 <= momentum < 1 and weight_decay >= 0, got lr=-1"),
        ({"lr": float("nan")}, "got lr=nan"),
        ({"lr": 1, "momentum": 1}, "momentum=1"),
        ({"lr": 1, "weight_decay": -1}, "weight_decay=-1"),
        ({"lr": 1, "nesterov": True}, "SGD: nesterov=True needs a momentum above 0"),
        ({"lr": 1, "form": "caffe"}, "SGD: form must be 'torch' or 'paper', got 'caffe'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError) as error:
        optim.SGD([parameter(1.0)], **options)
    assert message in str(error.value)


def test_wrong_parameters():
    w = parameter(1.0)
    with pytest.raises(ValueError, match="SGD: got no parameters"):
        optim.SGD([], lr=1)
    with pytest.raises(ValueError, match="SGD: a parameter is listed twice"):
        optim.SGD([w, w], lr=1)
    with pytest.raises(ValueError, match=r"SGD: unknown option \['rate'\] in a group; expected \["):
        optim.SGD([{"params": [w], "rate": 1}], lr=1)
