"""``--resume``: which options may change, which checkpoints are refused, and what is continued."""

import json

import pytest

from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from tests.alexnet.runs import (
    CLASSES,
    OPTIONS,
    STEPS_PER_EPOCH,
    assert_same_run,
    resume,
    rows_of,
    write_images,
)


@pytest.mark.parametrize(
    "changed",
    [
        *(("--batch-size", "8"), ("--seed", "3"), ("--optimizer", "adam"), ("--mean", "image")),
        *(("--image-size", "99"), ("--resize", "99")),
        *(("--subset", "10"), ("--init", "paper"), ("--data", "demo")),
    ],
)
def test_a_continued_run_keeps_its_options(error_of, undisturbed, changed):
    code, message = error_of(resume, undisturbed, *changed)
    assert code == 2
    assert f"{' '.join(changed)} cannot be changed by --resume: the run has " in message


def test_a_continued_run_may_repeat_its_options(narrow, photos, stopped):
    assert resume(stopped, *OPTIONS, "--data-root", str(photos), "--lr", "0.01", "-j", "1") == 0


def test_changed_options_are_told_and_recorded(narrow, stopped, capsys):
    assert resume(stopped, "--lr", "0.005", "--keep", "0", "--save-every", "2") == 0
    printed = capsys.readouterr().err
    assert "changed   lr: 0.01 before, 0.005 now" in printed
    run = json.loads((stopped / "run.json").read_text())
    assert [start["after_step"] for start in run["starts"]] == [0, STEPS_PER_EPOCH + 1]
    changed = {"lr": [0.01, 0.005], "keep": [1, 0], "save_every": [None, 2]}
    assert run["starts"][1]["changed"] == changed
    assert run["arguments"]["lr"] == 0.005
    assert len(list(stopped.glob("step-*"))) == 1


def test_continued_for_more_epochs(narrow, stopped):
    assert resume(stopped, "--epochs", "3") == 0
    assert [row["epoch"] for row in rows_of(stopped)] == [1, 2, 3]
    run = json.loads((stopped / "run.json").read_text())
    assert run["arguments"]["epochs"] == 3


def test_a_complete_run_has_nothing_to_continue(narrow, stopped, capsys):
    assert resume(stopped) == 0
    before = (stopped / LAST).read_bytes(), (stopped / "metrics.csv").read_bytes()
    assert resume(stopped / LAST) == 0
    assert ((stopped / LAST).read_bytes(), (stopped / "metrics.csv").read_bytes()) == before
    assert "best top-1 " in capsys.readouterr().out


def test_a_complete_run_stays_as_it_is(narrow, stopped, capsys):
    assert resume(stopped) == 0
    before = {path: path.read_bytes() for path in stopped.iterdir()}
    for options in ((), ("--lr", "0.005"), ("--epochs", "1"), ("--patience", "1")):
        capsys.readouterr()
        assert resume(stopped, *options) == 0
        printed = capsys.readouterr()
        assert "best top-1 " in printed.out
        assert printed.err == (
            f"{stopped} is complete after 2 epochs, and stays as it is; to train it further, "
            "give more --epochs\n"
        )
        assert {path: path.read_bytes() for path in stopped.iterdir()} == before


def test_an_earlier_checkpoint_loses_nothing(start, undisturbed, tmp_path, capsys):
    folder = tmp_path / "run"
    options = ("--save-every", "3", "--keep", "9", "--max-steps", "9")
    assert start(folder, *options) == 0
    names = {path.name for path in folder.iterdir()} - {".lock"}
    metrics, last = ((folder / name).read_bytes() for name in ("metrics.csv", LAST))
    capsys.readouterr()
    assert resume(folder / "step-00000003.safetensors") == 0
    printed = capsys.readouterr().err
    copy = folder / "replaced-1"
    assert f"{folder} had gone on after step 3: a copy of that is kept in {copy}\n" in printed
    assert "continuing after epoch 0, step 3 of the next" in printed
    assert {path.name for path in copy.iterdir()} == names
    assert (copy / "metrics.csv").read_bytes() == metrics
    assert (copy / LAST).read_bytes() == last
    assert_same_run(folder, undisturbed)
    assert resume(copy) == 0
    assert_same_run(copy, undisturbed)


def test_the_last_checkpoint_as_a_file_replaces_nothing(narrow, stopped, undisturbed):
    assert resume(stopped / LAST) == 0
    assert not list(stopped.glob("replaced-*"))
    assert_same_run(stopped, undisturbed)


def test_resume_auto(start, tmp_path, monkeypatch, error_of):
    monkeypatch.chdir(tmp_path)
    assert error_of(resume, "auto") == (2, "--resume auto: no run below runs can be continued")
    for number, steps in enumerate((3, 4, 100)):  # the newest is complete
        assert start(tmp_path / "runs" / str(number), "--max-steps", str(steps)) == 0
    assert resume("auto", "--max-steps", "6") == 0
    assert Checkpoint.load(tmp_path / "runs" / "1" / LAST).schedule["steps"] == 6


def test_a_run_in_use(start, stopped, error_of, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "SECONDS_OF_DYING", 0)
    with run_folder.locked(stopped):
        code, message = error_of(resume, stopped)
        assert (code, message.partition(":")[0]) == (2, f"{stopped} is in use by another run")
    (tmp_path / "new").mkdir()
    with run_folder.locked(tmp_path / "new"):
        assert error_of(start, tmp_path / "new")[0] == 2


def test_a_missing_checkpoint(error_of, tmp_path):
    for path in (tmp_path / "no", tmp_path / "no" / LAST):
        code, message = error_of(resume, path)
        assert code == 4
        assert message.endswith("does not exist")
    assert error_of(resume, tmp_path) == (4, f"{tmp_path} holds no checkpoint to continue from")
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_its_best_network_only(narrow, stopped):
    """Killed between the two files of its first save."""
    (stopped / LAST).rename(stopped / BEST)
    assert resume(stopped) == 0
    assert (stopped / LAST).exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "arguments"])
def test_a_damaged_checkpoint(narrow, error_of, stopped, damage):
    path = stopped / LAST
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-1])
    elif damage == "flipped":
        path.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 64]) + whole[-999:])
    elif damage == "text":
        path.write_text("no checkpoint")
    else:
        checkpoint = Checkpoint.load(path)
        del checkpoint.arguments["batch_size"]
        checkpoint.save(path)
    code, message = error_of(resume, path)
    assert code == 4
    assert "checkpoint" in message or "checksum" in message


def test_a_damaged_last_checkpoint_costs_some_steps(start, undisturbed, tmp_path, capsys):
    folder = tmp_path / "run"
    assert start(folder, "--save-every", "2", "--max-steps", "9") == 0
    (folder / LAST).write_bytes(b"")
    capsys.readouterr()
    assert resume(folder) == 0
    printed = capsys.readouterr().err
    assert printed.count("warning: ") == 1
    assert f"{folder / LAST} is not a readable checkpoint" in printed
    assert "; continuing from step-00000008.safetensors\n" in printed
    assert_same_run(folder, undisturbed)


def test_a_checkpoint_of_other_classes(narrow, error_of, stopped, tmp_path):
    fewer = write_images(tmp_path / "fewer", CLASSES[:2], count=2)
    code, message = error_of(resume, stopped, "--data-root", str(fewer))
    assert (code, message) == (4, "the checkpoint has 3 classes, the data have 2")
    (fewer / "yellow").mkdir()
    for path in (fewer / "green").iterdir():
        (fewer / "yellow" / path.name).write_bytes(path.read_bytes())
    code, message = error_of(resume, stopped, "--data-root", str(fewer))
    assert (code, message) == (4, "class 2 is 'red' in the checkpoint and 'yellow' in the data")


def test_a_checkpoint_of_another_network(narrow, error_of, stopped):
    code, message = error_of(resume, stopped, "--arch", "owt")
    assert (code, message) == (4, "the checkpoint holds the network 'alexnet', not 'owt'")


def test_data_that_have_changed(narrow, photos, stopped, tmp_path, error_of):
    other = write_images(tmp_path / "other", count=9)
    code, message = error_of(resume, stopped, "--data-root", str(other))
    assert code == 4
    assert "the training set has changed since the run began: it had 18 images and has" in message
