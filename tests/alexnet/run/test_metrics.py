"""Accuracy, means, and the two files of metrics."""

import csv
import json

import numpy as np
import pytest

from alexnet.run.metrics import COLUMNS, Mean, MetricsLog, topk_correct

# Classes by score: 2, 0, 3, 1.
SCORES = [3.0, 1.0, 4.0, 2.0]


def row(epoch):
    """A row whose numbers cannot be confused and have more digits than a short format keeps."""
    return {name: epoch + i / 7 if i else epoch for i, name in enumerate(COLUMNS)}


def rows_of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def log(tmp_path):
    log = MetricsLog(tmp_path)
    for epoch in (1, 2, 3):
        log.append(row(epoch))
    return log


@pytest.mark.parametrize("label, rank", [(2, 1), (0, 2), (3, 3), (1, 4)])
def test_topk_is_the_place_of_the_label(label, rank):
    for k in range(1, 7):
        assert topk_correct(np.array([SCORES]), np.array([label]), k) == (k >= rank)


def test_topk_counts_images():
    assert topk_correct(np.array([SCORES] * 5), np.array([2, 0, 2, 1, 3]), 1) == 2


def test_topk_of_a_tie_counts_against_the_label():
    tied = np.array([[5.0, 5.0, 1.0]])
    for label in (0, 1):
        assert topk_correct(tied, np.array([label]), 1) == 0
        assert topk_correct(tied, np.array([label]), 2) == 1


def test_topk_of_equal_scores_is_never_right_by_luck():
    scores, labels = np.zeros((10, 10), np.float32), np.arange(10)
    assert topk_correct(scores, labels, 1) == 0
    assert topk_correct(scores, labels, 9) == 0
    assert topk_correct(scores, labels, 10) == 10


@pytest.mark.parametrize("position", [0, 2, 3])
def test_topk_of_a_row_with_nan_is_wrong(position):
    scores = np.array([SCORES, SCORES])
    scores[0, position] = np.nan
    for k in (1, 4, 9):
        assert topk_correct(scores, np.array([2, 2]), k) == 1


def test_topk_of_infinite_scores():
    scores = np.array([[np.inf, 0.0, -np.inf]])
    assert topk_correct(scores, np.array([0]), 1) == 1
    assert topk_correct(scores, np.array([2]), 2) == 0


def test_mean_of_batches_of_different_sizes():
    mean = Mean()
    mean.add(2.0 * 3, 3)
    mean.add(10.0, 1)
    assert (mean.value, mean.count) == (4.0, 4)


def test_columns_of_both_files(log, tmp_path):
    header, *lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header == (
        "epoch,train_loss,train_top1,val_loss,val_top1,val_top5,lr,images_per_s,seconds"
    )
    assert len(lines) == 3
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        assert tuple(json.loads(line)) == COLUMNS


def test_both_files_hold_the_same_numbers_digit_for_digit(log, tmp_path):
    jsonl = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert jsonl == log.rows == [row(1), row(2), row(3)]
    from_csv = rows_of_csv(tmp_path / "metrics.csv")
    assert [{name: float(text) for name, text in r.items()} for r in from_csv] == jsonl
    assert [r["epoch"] for r in from_csv] == ["1", "2", "3"]


def test_a_row_with_other_columns_is_refused(log, tmp_path):
    with pytest.raises(ValueError, match="a row needs the columns epoch, .*; got epoch, loss"):
        log.append({"epoch": 4, "loss": 1.0})
    assert len(log.rows) == 3


def test_a_new_log_replaces_the_files_of_a_run_that_left_no_checkpoint(log, tmp_path):
    again = MetricsLog(tmp_path)
    again.append(row(1))
    again.append(row(2))
    assert [r["epoch"] for r in rows_of_csv(tmp_path / "metrics.csv")] == ["1", "2"]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("epoch", [0, 1, 2, 3, 9])
def test_keep_until_drops_the_later_rows_of_both_files(log, tmp_path, epoch):
    continued = MetricsLog(tmp_path)
    continued.keep_until(epoch)
    kept = [r for r in log.rows if r["epoch"] <= epoch]
    assert continued.rows == kept

    continued.append(row(epoch + 1))
    epochs = [str(r["epoch"]) for r in kept] + [str(epoch + 1)]
    assert [r["epoch"] for r in rows_of_csv(tmp_path / "metrics.csv")] == epochs
    jsonl = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in jsonl] == continued.rows


@pytest.mark.parametrize("name", ["metrics.csv", "metrics.jsonl"])
@pytest.mark.parametrize("lost", [1, 20, 60])
def test_keep_until_drops_a_torn_last_line(log, tmp_path, name, lost):
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-lost])
    continued = MetricsLog(tmp_path)
    continued.keep_until(2)
    assert continued.rows == [row(1), row(2)]
    assert [r["epoch"] for r in rows_of_csv(tmp_path / "metrics.csv")] == ["1", "2"]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_keep_until_without_files(tmp_path):
    log = MetricsLog(tmp_path)
    log.keep_until(0)
    assert log.rows == []
    log.append(row(1))
    assert len(rows_of_csv(tmp_path / "metrics.csv")) == 1
