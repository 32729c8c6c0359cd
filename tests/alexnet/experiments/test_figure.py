"""The figure: which runs its curves are of, and that all of its words are on the page."""

from dataclasses import replace

import pytest

from alexnet.experiments.experiment import TenViews
from alexnet.experiments.figure import experiment_figure
from alexnet.experiments.record import DIVERGED, DONE
from tests.alexnet.experiments.made_up import COMPARED, LEVEL, epochs, record_with, row


def run(seed, top1, state=DONE):
    """A row of the first arm with a curve of training accuracies."""
    (reached,) = epochs(2.0)
    measured = {"val_top1": 0.7, "color_p": 0.01, LEVEL.column: reached}
    measured |= {"ten_views_top1": 0.7, "only_one_view": 10, "only_ten_views": 30 + seed}
    made_up = row("one", seed, state=state, **measured)
    return replace(made_up, curves={**made_up.curves, "train_top1": top1})


def test_a_diverged_run_has_a_line_and_does_not_count_in_the_mean(tmp_path):
    rows = run(0, [0.25, 0.5, 0.75]), run(1, [0.5, 0.5, 1.0]), run(2, [0.1, 0.1], DIVERGED)
    (axes,) = experiment_figure(COMPARED, record_with(tmp_path, *rows)).axes
    thin = [line for line in axes.lines if line.get_linewidth() == 0.6]
    (mean,) = (line for line in axes.lines if line.get_linewidth() == 2)
    assert [list(line.get_ydata()) for line in thin] == [
        [0.75, 0.5, 0.25],
        [0.5, 0.5, 0],
        [0.9] * 2,
    ]
    assert list(mean.get_xdata()) == [0.5, 1.5, 2.5]
    assert list(mean.get_ydata()) == [0.625, 0.5, 0.125]
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 0].max() == 2.5


def test_an_arm_of_diverged_runs_alone_has_no_mean(tmp_path):
    figure = experiment_figure(COMPARED, record_with(tmp_path, run(0, [0.1], DIVERGED)))
    assert not [line for line in figure.axes[0].lines if line.get_linewidth() == 2]


@pytest.mark.parametrize("seeds", [1, 10])
def test_every_text_ends_within_the_figure(tmp_path, seeds):
    """Ten views have a p for each network: the longest of the captions."""
    record = record_with(tmp_path, *(run(seed, [0.5, 0.75]) for seed in range(seeds)))
    long = replace(COMPARED, comparisons=(*COMPARED.comparisons, TenViews("one", size=0.015)))
    figure = experiment_figure(long, record)
    figure.draw_without_rendering()
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 and box.x1 <= figure.bbox.x1, text.get_text()
        assert 0 <= box.y0 and box.y1 <= figure.bbox.y1, text.get_text()
