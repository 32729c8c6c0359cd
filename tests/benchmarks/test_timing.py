"""Contestants take turns, and the statistics are those of what they return."""

import numpy as np
import pytest

from benchmarks.timing import WARM_UP_ROUNDS, Sample, interleaved, interval, ratio


def test_contestants_take_turns_and_warm_up():
    calls = []

    def contestant(name):
        def run():
            calls.append(name)
            return float(len(calls))

        return run

    first, second = interleaved([contestant("a"), contestant("b")], repeats=3)
    rounds = ["".join(calls[i : i + 2]) for i in range(0, len(calls), 2)]
    assert rounds == ["ba", "ab", "ba", "ab", "ba"]
    warm_up = 2 * WARM_UP_ROUNDS
    assert first.seconds == (warm_up + 2.0, warm_up + 3.0, warm_up + 6.0)
    assert second.seconds == (warm_up + 1.0, warm_up + 4.0, warm_up + 5.0)


def test_statistics():
    sample = Sample(tuple(float(n) for n in range(11)))
    assert (sample.p10, sample.median, sample.p90) == pytest.approx((1.0, 5.0, 9.0))


def test_confidence_interval():
    rng = np.random.default_rng(0)
    ours, other = (Sample(tuple(m + 0.1 * rng.standard_normal(31))) for m in (1.0, 2.0))
    middle, low, high = ratio(ours, other)
    assert low < middle < high and middle == ours.median / other.median
    assert 0.45 < low < 0.5 < high < 0.55


def test_a_slow_round_that_hit_both_does_not_widen_the_interval():
    noise = np.random.default_rng(0).uniform(1, 3, 21)
    one, other = Sample(tuple(noise)), Sample(tuple(2 * noise))
    middle, low, high = ratio(one, other)
    assert middle == 0.5 and high - low < 1e-12
    _, low, high = ratio(one, other, same_rounds=False)
    assert low < 0.45 and high > 0.55
    assert ratio(one, Sample((1.0,) * 7), same_rounds=False)[0] == one.median


def test_few_rounds_give_no_interval():
    few = Sample((1.0, 1.1, 1.0))
    assert ratio(few, few) == (1, 0, np.inf)
    assert interval(*ratio(few, few)[1:]) == "-" and interval(0.5, 0.625) == "0.50-0.62"
