"""Logs within the epochs: the rows of any interrupted run are those of one that was not."""

import csv
import json
import math
import signal
import subprocess
import sys

import pytest

from alexnet.run.metrics import RowLog
from alexnet.training import run as training_run
from alexnet.training.step_log import COLUMNS, StepLog, TensorBoard
from alexnet.training.trainer import Step
from tests.alexnet.runs import ROOT, resume


def steps_of(folder):
    """The rows of both files without what depends on the clock, which must agree."""
    rows = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    with open(folder / "steps.csv", newline="") as file:
        of_csv = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    assert rows == of_csv
    return [tuple(row[name] for name in COLUMNS[:5]) for row in rows]


def step(number, seconds=0.5):
    return Step(number, 1, 1 / number, 0.25, 0.01, 4, seconds, seconds / 4)


def test_every_nth_step_has_a_row(tmp_path):
    log = StepLog(tmp_path, 3)
    for number in range(1, 8):
        log.after_step(None, step(number, seconds=number))
    rows = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [tuple(row.values())[:5] for row in rows] == [
        (3, 1, 1 / 3, 0.25, 0.01),
        (6, 1, 1 / 6, 0.25, 0.01),
    ]
    # Three steps of 4 images, in 1 + 2 + 3 and 4 + 5 + 6 seconds, a quarter of them waited.
    assert [row["images_per_s"] for row in rows] == [2.0, 0.8]
    assert [row["waiting"] for row in rows] == [0.25, 0.25]


@pytest.mark.parametrize("stop", [1, 3, 5, 6])
def test_a_continued_run_has_every_step_once(start, tmp_path, stop):
    assert start(tmp_path / "whole", "--log-every", "2") == 0
    assert len(steps_of(tmp_path / "whole")) == 5
    folder = tmp_path / "run"
    assert start(folder, "--log-every", "2", "--max-steps", str(stop)) == 0
    # As if it had gone on after its last checkpoint, and been killed within a row.
    for name, torn in (("steps.csv", "8,2,1.1"), ("steps.jsonl", '{"step": 8, "epo')):
        if (folder / name).exists():
            with open(folder / name, "a") as file:
                file.write(torn)
    assert resume(folder) == 0
    assert steps_of(folder) == steps_of(tmp_path / "whole")


KILLED = """\
import os, signal, sys
from pathlib import Path
from alexnet.run.metrics import RowLog

log = RowLog(Path(sys.argv[1]), "rows", ("number", "value"))
for number in range(1, 101):
    log.append({"number": number, "value": number / 3})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_row_is_lost_when_the_process_is_killed(tmp_path):
    result = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, check=False)
    assert result.returncode == -signal.SIGKILL
    rows = RowLog(tmp_path, "rows", ("number", "value")).keep_until(100)
    assert rows == [{"number": n, "value": n / 3} for n in range(1, 101)]


def test_every_length_of_a_torn_file_is_read(tmp_path):
    columns = ("number", "value")
    log = RowLog(tmp_path, "rows", columns)
    whole = [{"number": n, "value": n / 3} for n in range(8, 12)]
    for row in whole:
        log.append(row)
    contents = (tmp_path / "rows.jsonl").read_bytes()
    for length in range(len(contents)):
        (tmp_path / "rows.jsonl").write_bytes(contents[:length])
        continued = RowLog(tmp_path, "rows", columns)
        # A line that lacks its end of line only is complete.
        kept = contents[: length + 1].count(b"\n")
        assert continued.keep_until(99) == whole[:kept]
        continued.append({"number": 12, "value": 0})
        lines = (tmp_path / "rows.csv").read_text().splitlines()
        assert lines[0] == "number,value"
        assert len(lines) == kept + 2


def scalars_of(folder):
    """Scalars by tag and step, as TensorBoard shows them: later files purge earlier ones."""
    from tensorboardX.proto.event_pb2 import Event

    shown = {}
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda p: p.stat().st_mtime_ns):
        data, position = path.read_bytes(), 0
        while position + 12 <= len(data):
            size = int.from_bytes(data[position : position + 8], "little")
            event = Event.FromString(data[position + 12 : position + 12 + size])
            position += 16 + size
            if event.HasField("session_log"):
                shown = {key: value for key, value in shown.items() if key[1] < event.step}
            for value in event.summary.value:
                assert (value.tag, event.step) not in shown
                shown[value.tag, event.step] = value.simple_value
    return shown


def test_tensorboard(start, tmp_path):
    pytest.importorskip("tensorboardX")
    folder = tmp_path / "run"
    options = ("--tensorboard", "--log-every", "1")
    assert start(folder, *options, "--max-steps", "3") == 0
    # The events of two steps after the checkpoint, of a run that was killed then.
    board = TensorBoard(folder, 1, 3)
    board._writer.add_scalar("step/loss", 99.0, 4)
    board._writer.add_scalar("step/loss", 99.0, 5)
    board.close()
    assert resume(folder, "--max-steps", "7") == 0  # it remembers --tensorboard
    shown = scalars_of(folder)
    rows = steps_of(folder)
    assert [row[0] for row in rows] == list(range(1, 8))
    for number, _, loss, top1, lr in rows:
        for name, value in (("loss", loss), ("top1", top1), ("lr", lr)):
            assert math.isclose(shown[f"step/{name}", number], value, rel_tol=1e-6)
    of_epochs = {tag for tag, at in shown if tag.startswith("epoch/")}
    assert of_epochs >= {"epoch/val_top1", "epoch/train_loss", "epoch/lr"}
    assert {at for tag, at in shown if tag in of_epochs} == {5}


def test_tensorboard_that_is_not_installed(start, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training_run.importlib.util, "find_spec", lambda name: None)
    assert start(tmp_path / "run", "--tensorboard") == 2
    assert "pip install tensorboardX" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
