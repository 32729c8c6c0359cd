"""Learning-rate schedules against their closed forms."""

import math

import numpy as np
import pytest

from minigrad import nn, optim


def make_optimizer():
    weight, bias = nn.Parameter(np.ones(1)), nn.Parameter(np.ones(1))
    return optim.SGD([{"params": [weight]}, {"params": [bias], "lr": 2.0}], lr=1.0)


def rates_by_epoch(schedule, errors):
    rates = []
    for error in errors:
        rates.append(schedule.optimizer.groups[0]["lr"])
        assert schedule.optimizer.groups[1]["lr"] == pytest.approx(2 * rates[-1])
        schedule.step()
        schedule.epoch_end(error)
    return rates


def rates_by_step(schedule, steps):
    rates = []
    for _ in range(steps):
        rates.append(schedule.optimizer.groups[0]["lr"])
        schedule.step()
    return rates


def test_constant():
    assert rates_by_epoch(optim.Schedule(make_optimizer()), [1, 1, 1]) == [1, 1, 1]


def test_step():
    rates = rates_by_epoch(optim.Step(make_optimizer(), 2, gamma=0.5), [1] * 6)
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(ValueError, match="Step: step_size must be at least 1, got 0"):
        optim.Step(make_optimizer(), 0)


def test_multi_step():
    rates = rates_by_epoch(optim.MultiStep(make_optimizer(), (1, 4), gamma=0.1), [1] * 6)
    np.testing.assert_allclose(rates, [1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_divide_on_plateau_waits_and_stops_after_the_last_reduction():
    schedule = optim.DivideOnPlateau(make_optimizer(), gamma=0.5, patience=1, reductions=2)
    #         best  better  bad  bad  (reduced) better  bad  bad  (reduced)  bad  bad
    errors = [0.9, 0.8, 0.8, 0.85, 0.7, 0.7, 0.71, 0.72, 0.73, 0.74]
    rates = rates_by_epoch(schedule, errors)
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_nan_error_counts_as_a_bad_epoch():
    schedule = optim.DivideOnPlateau(make_optimizer(), gamma=0.5, patience=0)
    assert rates_by_epoch(schedule, [0.5, math.nan, 0.4]) == [1, 1, 0.5]


def test_cosine_with_warmup():
    rates = rates_by_step(optim.CosineWithWarmup(make_optimizer(), 12, warmup_steps=4), 14)
    np.testing.assert_allclose(rates[:4], [0.25, 0.5, 0.75, 1])
    expected = [0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(9)]
    np.testing.assert_allclose(rates[4:13], expected, atol=1e-15)
    assert rates[13] == pytest.approx(0, abs=1e-15)


def test_warmup_multiplies_the_other_schedules():
    schedule = optim.MultiStep(make_optimizer(), (1,), warmup_steps=2)
    assert rates_by_step(schedule, 3) == [0.5, 1, 1]
    schedule.epoch_end(1)
    assert schedule.optimizer.groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: optim.MultiStep(optimizer, (1, 2)),
        lambda optimizer: optim.DivideOnPlateau(optimizer, patience=0),
        lambda optimizer: optim.CosineWithWarmup(optimizer, 10, warmup_steps=2),
        lambda optimizer: optim.Step(optimizer, 2),
    ],
)
def test_state_goes_on_where_it_was_saved(make):
    whole, resumed = make(make_optimizer()), make(make_optimizer())
    rates_by_epoch(whole, [0.5, 0.6, 0.7])
    resumed.load_state_dict(whole.state_dict())
    assert resumed.optimizer.groups[0]["lr"] == whole.optimizer.groups[0]["lr"] < 1
    assert rates_by_epoch(whole, [0.6, 0.4, 0.7]) == rates_by_epoch(resumed, [0.6, 0.4, 0.7])


def test_a_state_holds_what_changes_and_no_settings():
    saved = optim.Step(make_optimizer(), 2, gamma=0.5)
    rates_by_epoch(saved, [1] * 4)
    longer = optim.Step(make_optimizer(), 4, gamma=0.5)
    longer.load_state_dict(saved.state_dict())
    assert longer.step_size == 4
    assert longer.optimizer.groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    "state, message",
    [
        ({"steps": 1}, r"Step.load_state_dict: missing \['epochs'\], unknown nothing"),
        ({"steps": 1, "epochs": 1, "reduced": 0}, r"missing nothing, unknown \['reduced'\]"),
        ({"steps": 1, "epochs": "2"}, "epochs is '2', expected a number"),
    ],
)
def test_the_state_of_another_schedule_is_refused(state, message):
    schedule = optim.Step(make_optimizer(), 2)
    with pytest.raises(ValueError, match=message):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == {"steps": 0, "epochs": 0}


@pytest.mark.parametrize(
    ("schedule", "options", "error", "message"),
    [
        (optim.Schedule, {"warmup_steps": -5}, ValueError, "warmup_steps must be at least 0"),
        (optim.Schedule, {"warmup_steps": 2.5}, TypeError, "warmup_steps must be an integer"),
        (optim.CosineWithWarmup, {"total_steps": 0}, ValueError, "total_steps must be at least 1"),
        (optim.MultiStep, {"milestones": 5}, TypeError, "milestones must be a tuple of epochs"),
        (optim.MultiStep, {"milestones": (3, "6")}, TypeError, "each of milestones must be an int"),
        (optim.DivideOnPlateau, {"patience": -1}, ValueError, "patience must be at least 0"),
        (optim.DivideOnPlateau, {"reductions": None}, TypeError, "reductions must be an integer"),
    ],
)
def test_numbers_of_steps_and_epochs_that_are_none(schedule, options, error, message):
    optimizer = make_optimizer()
    with pytest.raises(error, match=f"^{schedule.__name__}: {message}.*, got"):
        schedule(optimizer, **options)
    assert [group["lr"] for group in optimizer.groups] == [1.0, 2.0]
