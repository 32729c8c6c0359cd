"""Verdicts on made-up rows: from the interval alone."""

import math

import numpy as np
import pytest
from scipy import stats

from alexnet.experiments.experiment import ColorColumns, Difference, Ratio, TenViews
from alexnet.experiments.record import DIVERGED
from alexnet.experiments.verdicts import judge
from tests.alexnet.experiments.made_up import LEVEL, epochs, record_with, row, rows_of

LOWER = Difference("one", "other", "val_error", sign=-1, size=0.02)
RATIO = Ratio("other", "one", LEVEL, size=6)
VIEWS = TenViews("one", size=0.015)


def outcome(folder, comparison, *rows):
    return judge(comparison, record_with(folder, *rows))


def accuracies(one, other):
    return [*rows_of("one", "val_top1", one), *rows_of("other", "val_top1", other)]


def test_a_difference_on_the_side_of_the_paper_holds(tmp_path):
    found = outcome(tmp_path, LOWER, *accuracies([0.80, 0.81, 0.80], [0.78, 0.77, 0.78]))
    low, high = stats.ttest_ind(
        [0.20, 0.19, 0.20], [0.22, 0.23, 0.22], equal_var=False
    ).confidence_interval()
    assert found.interval == f"{100 * low:+.2f} to {100 * high:+.2f} points"
    assert (found.here, found.paper, found.verdict) == ("-2.67 points", "-2.00 points", "holds")


def test_a_difference_of_another_size_than_the_papers_holds_with_a_note(tmp_path):
    found = outcome(tmp_path, LOWER, *accuracies([0.80, 0.80, 0.801], [0.79, 0.79, 0.791]))
    assert found.verdict == "holds, but -2.00 points is outside the interval"


def test_a_difference_on_the_other_side_does_not(tmp_path):
    found = outcome(tmp_path, LOWER, *accuracies([0.78, 0.77, 0.78], [0.80, 0.81, 0.80]))
    assert found.verdict == "does not"


def test_an_interval_with_zero_is_not_resolved(tmp_path):
    found = outcome(tmp_path, LOWER, *accuracies([0.80, 0.82, 0.78], [0.79, 0.78, 0.81]))
    assert found.verdict.startswith("not resolved: these runs can see 5.")
    assert found.verdict.endswith("points; 2.00 points would take 14 seeds an arm")


def test_without_a_claim_the_side_is_named(tmp_path):
    comparison = Difference("one", "other", "val_error", sign=0)
    found = outcome(tmp_path, comparison, *accuracies([0.80, 0.81, 0.80], [0.78, 0.77, 0.78]))
    assert (found.paper, found.verdict) == ("no claim", "lower")


def test_one_run_has_no_interval_and_no_verdict(tmp_path):
    found = outcome(tmp_path, LOWER, *accuracies([0.80], [0.78, 0.77]))
    assert found.interval == "" and found.verdict.startswith("no interval")
    assert outcome(tmp_path / "none", LOWER).verdict == "no runs"


def test_rows_are_not_paired_by_seed(tmp_path):
    (tmp_path / "b").mkdir()
    one, other = [0.80, 0.82, 0.78], [0.79, 0.81, 0.77]
    found = [
        outcome(tmp_path, LOWER, *accuracies(one, other)),
        outcome(tmp_path / "b", LOWER, *accuracies(one, other[::-1])),
    ]
    assert found[0] == found[1]
    assert found[0].verdict.startswith("not resolved")  # in pairs each is 1 point better


def test_ratio_of_geometric_means(tmp_path):
    slower, faster = [30.0, 36.0, 33.0], [6.0, 5.5, 5.0]
    rows = [
        *rows_of("other", LEVEL.column, epochs(*slower)),
        *rows_of("one", LEVEL.column, epochs(*faster)),
    ]
    found = outcome(tmp_path, RATIO, *rows)
    interval = stats.ttest_ind(
        np.log(slower), np.log(faster), equal_var=False
    ).confidence_interval()
    assert found.here == f"{stats.gmean(slower) / stats.gmean(faster):.2f}"
    assert found.interval == f"{math.exp(interval.low):.2f} to {math.exp(interval.high):.2f}"
    assert found.verdict == "holds"


@pytest.mark.parametrize(
    "slower, faster, here, never",
    [
        ([30.0, ">60"], [6.0, 6.0], "> 7.07", "1 of 2 runs of other never"),
        ([30.0, 30.0], [6.0, ">60"], "< 1.58", "1 of 2 runs of one never"),
        ([">60", ">60"], [6.0, ">60"], "unknown", "2 of 2 runs of other and 1 of 2 runs of one"),
    ],
)
def test_censored_runs_give_a_bound_and_no_interval(tmp_path, slower, faster, here, never):
    rows = [
        *rows_of("other", LEVEL.column, epochs(*slower)),
        *rows_of("one", LEVEL.column, epochs(*faster)),
    ]
    found = outcome(tmp_path, RATIO, *rows)
    assert (found.here, found.interval) == (here, "")
    assert found.verdict.startswith("no interval: ") and never in found.verdict


def test_ten_views_are_compared_on_the_same_networks(tmp_path):
    rows = [
        row("one", seed, only_one_view=one, only_ten_views=ten)
        for seed, (one, ten) in enumerate([(20, 60), (25, 60), (30, 66)])
    ]
    found = outcome(tmp_path, VIEWS, *rows)
    assert (found.here, found.paper) == ("-3.70 points", "-1.50 points")
    assert found.verdict.startswith("holds, but -1.50 points is outside the interval; McNemar's p ")
    p = stats.binomtest(20, 80).pvalue
    assert f"{p:.2g}" in found.verdict
    alone = outcome(tmp_path / "alone", VIEWS)
    assert alone.verdict == "no runs"


def test_columns_are_counted(tmp_path):
    rows = rows_of("one", "color_p", [0.01, 0.02, 0.001, 0.3, 0.04])
    found = outcome(tmp_path, ColorColumns("one"), *rows)
    assert found.here == "in 4 of 5 runs"
    null = outcome(tmp_path, ColorColumns("one", null=True))
    assert null.verdict == "does not"  # more often than chance


@pytest.mark.parametrize(
    "significant, runs, verdict",
    [
        (5, 5, "holds"),
        (2, 5, "holds, but 100% is outside the interval"),
        (8, 40, "does not"),  # 9% to 36%: above chance, but in less than half of the runs
        (0, 5, "not resolved"),
        (0, 8, "does not"),
    ],
)
def test_the_paper_speaks_of_every_run(tmp_path, significant, runs, verdict):
    rows = rows_of("one", "color_p", [0.01] * significant + [0.5] * (runs - significant))
    assert outcome(tmp_path, ColorColumns("one"), *rows).verdict == verdict


def test_columns_by_chance(tmp_path):
    """That nothing is seen is no proof: the verdict says what could be seen."""
    rows = rows_of("other", "color_p", [0.9, 0.2, 0.04, 0.3])
    found = outcome(tmp_path, ColorColumns("other", null=True), *rows)
    seen = "nothing beyond chance seen (these 4 runs could see 58%)"
    assert (found.here, found.verdict) == ("in 1 of 4 runs", seen)
    rows = rows_of("other", "color_p", [0.5] * 80)  # 0% to 5%: fewer are no evidence against it
    found = outcome(tmp_path, ColorColumns("other", null=True), *rows)
    assert found.verdict.startswith("nothing beyond chance seen (these 80 runs")


def test_runs_without_a_p_are_named(tmp_path):
    rows = rows_of("one", "color_p", [0.01, 0.01, None])
    found = outcome(tmp_path, ColorColumns("one"), *rows[2:])
    assert found.verdict == "not measured: a half of conv1 has no kernel that responds"
    found = outcome(tmp_path, ColorColumns("one"), *rows[:2])
    assert found.here == "in 2 of 2 runs"
    assert found.verdict == "holds; without 1 run of which a half does not respond"


def test_diverged_runs_do_not_count_and_are_named(tmp_path):
    rows = accuracies([0.80, 0.81, 0.80], [0.78, 0.77, 0.78])
    rows.append(row("one", 3, state=DIVERGED))
    assert outcome(tmp_path, LOWER, *rows).verdict == "holds; without 1 run that diverged"
