"""Options of optimizers: what is a number, and what is refused by name, in every group."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
LARS = SGD | {"trust_coefficient": 0.02, "eps": 1e-6}
ADAM = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-6, "weight_decay": 0.01}


def make(kind, options, in_group=False):
    weight = nn.Parameter(np.linspace(-1, 1, 7, dtype=np.float32))
    if in_group:
        return kind([{"params": [weight], **options}], lr=1.0)
    return kind([weight], **options)


def updated(optimizer):
    (weight,) = optimizer.groups[0]["params"]
    optim.CosineWithWarmup(optimizer, total_steps=10, warmup_steps=3)
    for _ in range(3):
        weight.grad = mg.Tensor(np.sin(weight.data))
        optimizer.step()
    return weight.data.tobytes()


@pytest.mark.parametrize("in_group", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"), [(optim.LARS, LARS), (optim.SGD, SGD), (optim.Adam, ADAM)]
)
@pytest.mark.parametrize(
    "form",
    [
        np.float64,
        np.array,
        lambda value: np.array([value]),
        lambda value: mg.tensor(value, dtype=np.float64),
    ],
)
def test_the_type_of_a_number_does_not_change_the_update(kind, options, form, in_group):
    given = {
        name: tuple(map(form, value)) if isinstance(value, tuple) else form(value)
        for name, value in options.items()
    }
    assert updated(make(kind, given, in_group)) == updated(make(kind, options))
    expected = updated(make(kind, {**options, "lr": float(np.float32(0.1))}))
    assert updated(make(kind, {**options, "lr": np.float32(0.1)}, in_group)) == expected


@pytest.mark.parametrize("in_group", [False, True])
@pytest.mark.parametrize(
    ("kind", "option", "error", "message"),
    [
        (optim.SGD, {"lr": "0.1"}, TypeError, "SGD: lr must be a number, got '0.1'"),
        (optim.SGD, {"lr": np.ones(2)}, TypeError, "SGD: lr must be a number"),
        (optim.SGD, {"lr": np.inf}, ValueError, "SGD: need lr >= 0.* got lr=inf"),
        (optim.SGD, {"lr": 10**400}, ValueError, "SGD: need lr >= 0.* got lr=inf"),
        (optim.SGD, {"lr": -0.1}, ValueError, "SGD: need lr >= 0.* got lr=-0.1"),
        (optim.SGD, {"momentum": None}, TypeError, "SGD: momentum must be a number, got None"),
        (optim.SGD, {"momentum": 1.5}, ValueError, "SGD: need .* momentum < 1"),
        (optim.SGD, {"weight_decay": np.nan}, ValueError, "SGD: need .* weight_decay=nan"),
        (optim.LARS, {"lr": -1}, ValueError, "LARS: need lr >= 0.* got lr=-1.0"),
        (optim.LARS, {"momentum": 1}, ValueError, "LARS: need .* momentum < 1"),
        (optim.LARS, {"weight_decay": np.inf}, ValueError, "LARS: need .* weight_decay=inf"),
        (optim.LARS, {"trust_coefficient": 0}, ValueError, "trust_coefficient > 0 or None"),
        (optim.LARS, {"trust_coefficient": np.nan}, ValueError, "trust_coefficient=nan"),
        (optim.LARS, {"trust_coefficient": "0"}, TypeError, "trust_coefficient must be a number"),
        (optim.LARS, {"eps": -1e-8}, ValueError, "LARS: need .* eps >= 0, got .* eps=-1e-08"),
        (optim.LARS, {"eps": None}, TypeError, "LARS: eps must be a number, got None"),
        (optim.Adam, {"betas": 0.9}, TypeError, "Adam: betas must be two numbers, got 0.9"),
        (optim.Adam, {"betas": (0.9,)}, TypeError, "Adam: betas must be two numbers"),
        (optim.Adam, {"betas": (0.9, 1)}, ValueError, "Adam: need .* betas in"),
        (optim.Adam, {"betas": (0.9, "1")}, TypeError, "Adam: betas must be a number, got '1'"),
        (optim.Adam, {"eps": -1e-8}, ValueError, "Adam: need .* eps >= 0"),
        (optim.Adam, {"eps": None}, TypeError, "Adam: eps must be a number, got None"),
    ],
)
def test_a_value_that_cannot_be_used(kind, option, error, message, in_group):
    with pytest.raises(error, match=message):
        make(kind, {"lr": 0.1, **option}, in_group)


@pytest.mark.parametrize(
    ("kind", "options"), [(optim.LARS, LARS), (optim.SGD, SGD), (optim.Adam, ADAM)]
)
def test_a_rate_that_is_changed_later(kind, options):
    """As the constructor takes it: any type of number, and none that makes the weights NaN."""
    weights = []
    for lr in (0.25, np.float32(0.25), np.array([0.25]), mg.tensor(0.25)):
        optimizer = make(kind, options)
        (group,) = optimizer.groups
        (weight,) = group["params"]
        group["lr"] = lr
        weight.grad = mg.Tensor(np.sin(weight.data))
        optimizer.step()
        weights.append(weight.data.copy())
        assert group["initial_lr"] == 0.1
    assert all(np.array_equal(weights[0], other) for other in weights)
    for lr, error in ((-0.1, ValueError), (np.nan, ValueError), ("0.1", TypeError)):
        group["lr"] = lr
        with pytest.raises(error, match=f"{kind.__name__}: "):
            optimizer.step()
        assert np.array_equal(weight.data, weights[0])
