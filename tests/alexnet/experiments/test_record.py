"""The record: every number comes back digit for digit, and other rows are refused."""

from threading import Thread

import pytest

from alexnet.errors import DataError, UsageError
from alexnet.experiments import measures
from alexnet.experiments.experiment import Epochs
from alexnet.experiments.record import DIVERGED, Record, writing_rows
from tests.alexnet.experiments.made_up import COMPARED, LEVEL, record_with, row

SETTINGS = '"{""lr"": 0.01, ""precision"": ""float32""}"'
ENTRIES = ", ".join(f'""{name}"": [0.5, 0.75]' for name in measures.CURVES)
CURVES = f'"{{{ENTRIES}}}"'


def full_row(seed=0):
    return row(
        "one",
        seed,
        val_top1=0.1 + 0.2,
        val_loss=1e-17,
        only_one_view=3,
        **{LEVEL.column: Epochs(1 / 3)},
    )


def test_rows_come_back_digit_for_digit(tmp_path):
    rows = full_row(), row("other", 1, **{LEVEL.column: Epochs(60.0, True)})
    never = {name: None for name in measures.required(COMPARED)} | {"epochs": 0}
    diverged = row("other", 2, state=DIVERGED, **never | {LEVEL.column: Epochs(0.0, True)})
    record = record_with(tmp_path, *rows, diverged)
    again = Record(record.path, COMPARED)
    assert list(again.rows.values()) == [*rows, diverged]
    assert again.rows["other", 2].values[LEVEL.column] == Epochs(0.0, True)
    assert type(again.rows["one", 0].values["only_one_view"]) is int


def test_a_row_of_an_arm_in_the_order_of_seeds(tmp_path):
    record = record_with(tmp_path, full_row(2), full_row(0))
    assert [row.seed for row in record.arm_rows("one")] == [0, 2]


def test_rows_that_another_command_adds_stay(tmp_path):
    records = [Record(tmp_path / "rows.csv", COMPARED) for _ in range(2)]
    first = row("one", 0, val_top1=0.5)
    records[0].append(first)
    records[1].append(row("other", 0))
    records[1].append(row("one", 0, val_top1=0.75))
    again = Record(tmp_path / "rows.csv", COMPARED).rows
    assert list(again) == [("one", 0), ("other", 0)]
    assert again["one", 0] == records[1].rows["one", 0] == first


def test_rows_of_two_commands_at_once_are_all_there(tmp_path):
    """Each reads the file and replaces it."""
    records = [Record(tmp_path / "rows.csv", COMPARED) for _ in range(2)]

    def add(record, arm):
        for seed in range(20):
            record.append(row(arm, seed))

    threads = [Thread(target=add, args=pair) for pair in zip(records, COMPARED.arms)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Record(tmp_path / "rows.csv", COMPARED).rows) == 40


def test_other_rows_that_another_command_adds_are_refused(tmp_path):
    records = [Record(tmp_path / "rows.csv", COMPARED) for _ in range(2)]
    records[1].require_settings("one", {"lr": 0.02, "precision": "float32"})
    records[1].require_data("0" * 12)
    records[0].append(row("one", 0))
    before = records[0].path.read_bytes()
    with pytest.raises(UsageError, match="lr was 0.01, and is 0.02 now"):
        records[1].append(row("other", 0))
    assert records[0].path.read_bytes() == before


def test_rows_of_other_images_that_another_command_adds_are_refused(tmp_path):
    records = [Record(tmp_path / "rows.csv", COMPARED) for _ in range(2)]
    records[1].require_data("1" * 12)
    records[0].append(row("one", 0))
    with pytest.raises(UsageError, match="other images"):
        records[1].append(row("other", 0))


def test_a_record_that_stays_locked_ends_with_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet.experiments.record.LONGEST_WAIT", 0.1)
    record = Record(tmp_path / "rows.csv", COMPARED)
    with writing_rows(tmp_path), pytest.raises(UsageError, match="in use by another command"):
        record.append(row("one", 0))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    record = record_with(tmp_path, full_row())
    before = record.path.read_bytes()

    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError):
        record.append(full_row(1))
    assert record.path.read_bytes() == before
    assert list(record.rows) == [("one", 0)]


def test_rows_with_other_settings_are_refused(tmp_path):
    record = record_with(tmp_path, full_row())
    record.require_settings("one", {"lr": 0.01, "precision": "float32"})
    with pytest.raises(UsageError, match="seed 0, .* lr was 0.01, and is 0.02 now"):
        record.require_settings("one", {"lr": 0.02, "precision": "float32"})
    record.require_settings("other", {"lr": 0.02})  # which has no row


def test_rows_of_other_images_are_refused(tmp_path):
    record = record_with(tmp_path, full_row())
    record.require_data("0" * 12)
    with pytest.raises(UsageError, match="other images"):
        record.require_data("1" * 12)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text.replace("made-up,one", "another,one"), "is the record of another"),
        (lambda text: text.replace("val_loss", "loss"), "its columns differ"),
        (lambda text: text.replace("one,0", "one,x"), "is damaged"),
        (lambda text: text.replace("done", "begun"), "is damaged"),
        (lambda text: text[: len(text) - 40], "is damaged"),
        (lambda text: text + text.splitlines()[-1] + "\n", "has two rows of one, seed 0"),
        (lambda text: "", "its columns differ"),
        (lambda text: text.replace(SETTINGS, "[]"), "settings are no object"),
        (lambda text: text.replace(CURVES, "{}"), "curves must be"),
        (lambda text: text.replace(CURVES, "[1]"), "curves must be"),
        (lambda text: text.replace('""val_loss"": [0.5', '""val_loss"": [NaN'), "is not finite"),
        (lambda text: text.replace('""val_loss"": [0.5', '""val_loss"": [null'), "no list of num"),
        (lambda text: text.replace('""val_loss"": [0.5, 0.75]', '""val_loss"": 1'), "no list of"),
        (lambda text: text.replace(repr(0.1 + 0.2), ""), "val_top1 is empty"),
        (lambda text: text.replace(repr(0.1 + 0.2), "nan"), "val_top1 cannot be 'nan'"),
        (lambda text: text.replace(repr(0.1 + 0.2), "-1"), "val_top1 cannot be '-1'"),
        (lambda text: text.replace(repr(1 / 3), "0"), "epochs_to_0.25 is 0"),
        (lambda text: text.replace(repr(1 / 3), ">0"), "epochs_to_0.25 is 0"),
        (lambda text: text.replace(",1000,", ",0,"), "val_images is 0"),
    ],
)
def test_files_that_are_no_record(tmp_path, change, message):
    path = record_with(tmp_path, full_row()).path
    assert change(path.read_text()) != path.read_text()
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        Record(path, COMPARED)
