"""Contestants take turns, and the statistics are those of what they return."""

import pytest

from benchmarks.timing import WARM_UP_ROUNDS, Sample, interleaved


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
