"""``--train-root`` and ``--val-root``: the images of each set from a folder of its own."""

import json
import shutil

import numpy as np
import pytest

from alexnet import evaluate, train
from alexnet.data import __main__ as data_command
from alexnet.data import load
from alexnet.doctor.__main__ import main as doctor
from alexnet.errors import DataError
from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.runs import resume, write_images

OPTIONS = ("--image-size", "67", "-b", "4", "--epochs", "1", "-j", "0")
COUNTS = "2 classes, 12 images to learn from, 6 for validation"


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roots")
    write_images(folder / "old pictures", ("blue", "red"), count=6)
    write_images(folder / "of 2026", ("blue", "red"), count=3)
    return ["--train-root", str(folder / "old pictures"), "--val-root", str(folder / "of 2026")]


def linked(folder, roots):
    """A folder with links called train and val."""
    folder.mkdir()
    for name, root in zip(("train", "val"), roots[1::2]):
        (folder / name).symlink_to(root)
    return folder


def test_a_run_stored_continued_and_evaluated(narrow, roots, tmp_path, capsys):
    run = tmp_path / "run"
    assert train.main([*OPTIONS, *roots, "--out", str(run), "--max-steps", "2"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        f"train: {roots[1]}, 2 classes, 12 images",
        f"validation: {roots[3]}, 2 classes, 6 images",
    ]
    assert any(COUNTS in line for line in said)
    kept = json.loads((run / "run.json").read_text())["arguments"]
    names = ("data", "data_root", "train_root", "val_root")
    assert [kept[name] for name in names] == ["folder", None, roots[1], roots[3]]
    assert Checkpoint.load(run / LAST).arguments["val_root"] == roots[3]

    assert resume(run) == 0
    assert COUNTS in capsys.readouterr().err
    for moved in ([], roots, ["--data-root", str(linked(tmp_path / "both", roots))]):
        assert evaluate.main([str(run), "--json", *moved]) == 0
        assert json.loads(capsys.readouterr().out)["images"] == 6
    assert evaluate.main([str(run), "--data-root", "photos", *roots]) == 2
    assert "--train-root is given instead of --data-root" in capsys.readouterr().err


def test_a_continued_run_takes_the_folders_that_it_is_given(narrow, roots, tmp_path, capsys):
    run, both = tmp_path / "run", linked(tmp_path / "both", roots)
    assert train.main([*OPTIONS, *roots, "--out", str(run), "--max-steps", "1"]) == 0
    assert resume(run, "--data-root", str(both), "--max-steps", "2") == 0
    assert Checkpoint.load(run / LAST).arguments["train_root"] is None
    assert f"train: {both / 'train'}" in capsys.readouterr().err
    assert resume(run, *roots, "--data-root", str(both)) == 2
    assert resume(run, *roots) == 0
    kept = Checkpoint.load(run / LAST).arguments
    assert (kept["data_root"], kept["train_root"]) == (None, roots[1])


def test_a_run_from_before_these_options_is_continued(start, tmp_path):
    run = tmp_path / "run"
    assert start(run, "--max-steps", "1") == 0
    checkpoint = Checkpoint.load(run / LAST)
    for name in ("train_root", "val_root"):
        del checkpoint.arguments[name]
    checkpoint.save(run / LAST)
    assert resume(run, "--max-steps", "2") == 0


def test_one_folder_alone_is_divided(roots):
    splits = load("folder", train_root=roots[1], seed=3)
    expected = load("folder", roots[1], seed=3)
    for split in ("train", "validation"):
        assert splits[split].files == expected[split].files


def test_a_folder_for_validation_beside_the_classes(tmp_path):
    write_images(tmp_path, ("blue", "red"), count=2)
    write_images(tmp_path / "look at these", ("blue", "red"), count=1)
    splits = load("folder", train_root=tmp_path, val_root=tmp_path / "look at these")
    assert splits["train"].classes == ["blue", "red"]
    assert {split: len(dataset) for split, dataset in splits.items()} == {
        "train": 4,
        "validation": 2,
    }


@pytest.mark.parametrize("command", [train.main, doctor, data_command.main])
@pytest.mark.parametrize(
    "options, expected",
    [
        (["--val-root", "b"], "--val-root needs --train-root"),
        (["--train-root", "a", "--data-root", "c"], "--train-root is given instead of"),
        (["--train-root", "a", "--data", "cifar10"], "not for --data cifar10"),
    ],
)
def test_options_that_contradict_each_other(error_of, command, options, expected):
    if command is data_command.main:
        options = ["check", *(word for word in options if word != "--data-root")]
    code, message = error_of(command, options)
    assert code == 2
    assert expected in message


@pytest.mark.parametrize(
    "train_root, val_root, expected",
    [
        ("old pictures", "old pictures/../old pictures", "are also those to learn from"),
        ("", "old pictures/red", "are also those to learn from"),
        ("old pictures", "nowhere", "nowhere: no such folder"),
        ("old pictures/red", None, "red holds images directly: it looks like the folder of one"),
        ("old pictures", "of 2026/red", "red: the set for validation holds images directly"),
    ],
)
def test_folders_that_cannot_be_used(roots, narrow, error_of, train_root, val_root, expected):
    folder = roots[1].removesuffix("old pictures")
    options = ["--train-root", folder + train_root]
    options += ["--val-root", folder + val_root] if val_root else []
    code, message = error_of(train.main, options)
    assert code == 3
    assert expected in message


@pytest.mark.parametrize("moved", [0, 1])
def test_what_is_said_of_moved_data_can_be_given(narrow, roots, tmp_path, capsys, moved):
    for root, name in zip(roots[1::2], ("one", "two")):
        shutil.copytree(root, tmp_path / name)
    old = ["--train-root", str(tmp_path / "one"), "--val-root", str(tmp_path / "two")]
    run, new = tmp_path / "run", list(old)
    assert train.main([*OPTIONS, *old, "--out", str(run), "--max-steps", "1"]) == 0
    new[2 * moved + 1] += " moved"
    (tmp_path / ("one", "two")[moved]).rename(new[2 * moved + 1])
    capsys.readouterr()
    assert evaluate.main([str(run)]) == 3
    assert "if they were moved, give --train-root DIR and --val-root DIR" in capsys.readouterr().err
    assert evaluate.main([str(run), *new]) == 0
    assert resume(run, *new) == 0


@pytest.mark.parametrize(
    "train_root, val_root", [("", ""), ("", "inner"), ("inner", ""), ("inner", "inner")]
)
def test_one_folder_by_two_names_is_refused(tmp_path, train_root, val_root):
    write_images(tmp_path / "inner", ("blue", "red"), count=2)
    with pytest.raises(DataError, match="are also those to learn from"):
        load("folder", train_root=tmp_path / train_root, val_root=tmp_path / val_root)


@pytest.fixture
def years(tmp_path):
    """Images of two years, of which one has a class of its own; the names are the same."""
    write_images(tmp_path / "2025", ("blue", "red"), count=5)
    write_images(tmp_path / "2026, spring", ("green", "red"), count=5)
    return [tmp_path / "2025", tmp_path / "2026, spring"]


def test_several_folders_are_one_set(years, tmp_path, caplog):
    # A name with a comma can be given for itself only: among others, a link without one stands in.
    (tmp_path / "spring").symlink_to(years[1])
    both = f"{years[0]},{tmp_path / 'spring'}"
    with caplog.at_level("INFO"):
        splits = load("folder", train_root=both, seed=3)
    assert f"train: {years[0]}, {tmp_path / 'spring'}, 3 classes, 16" in caplog.text
    assert splits["train"].classes == ["blue", "green", "red"]
    assert np.bincount(splits["train"].labels).tolist() == [4, 4, 8]
    assert np.bincount(splits["validation"].labels).tolist() == [1, 1, 2]
    sets = [{*s.files} for s in splits.values()]
    assert not sets[0] & sets[1]
    assert len(sets[0] | sets[1]) == 20
    assert load("folder", train_root=years[1])["train"].classes == ["green", "red"]

    held_out = tmp_path / "a", tmp_path / "b"
    write_images(held_out[0], ("blue",), count=2)
    write_images(held_out[1], ("green",), count=1)
    validation = load("folder", train_root=both, val_root=",".join(map(str, held_out)))[
        "validation"
    ]
    assert validation.classes == ["blue", "green", "red"]
    assert validation.labels.tolist() == [0, 0, 1]


def test_a_run_of_several_folders_is_continued_evaluated_and_prepared(
    narrow, years, tmp_path, capsys, monkeypatch
):
    years[1] = years[1].rename(tmp_path / "2026")
    both = f"{years[0]},{years[1]}"
    run = tmp_path / "run"
    # Seen from another folder the same.
    monkeypatch.chdir(tmp_path)
    options = [*OPTIONS, "--train-root", "2025,2026", "--out", str(run)]
    assert train.main([*options, "--max-steps", "2"]) == 0
    assert json.loads((run / "run.json").read_text())["arguments"]["train_root"] == both
    monkeypatch.chdir("/")
    assert resume(run) == 0
    assert evaluate.main([str(run), "--json"]) == 0
    assert '"images": 4' in capsys.readouterr().out
    command = ["prepare", "-", str(tmp_path / "prepared"), "--train-root", both]
    assert data_command.main(command) == 0
    assert len(load("shards", tmp_path / "prepared")["train"]) == 16

    years[1].rename(tmp_path / "moved")
    capsys.readouterr()
    assert resume(run) == 3
    assert f"{years[1]}: no such file or folder, but the data" in capsys.readouterr().err
    assert resume(run, "--train-root", f"{years[0]},{tmp_path / 'moved'}") == 0


@pytest.mark.parametrize(
    "names, expected",
    [
        ("{0},{0}/../2025", "would be used twice"),
        ("{0},{0}/red/sub", "would be used twice"),
        ("{0},nowhere", "nowhere: no such folder"),
        ("{0},{0}/../empty", "empty: no folder with images"),
        (",", ",: no such folder"),
        ("{0}/../sets", "which look like sets"),
    ],
)
def test_several_folders_that_cannot_be_used(years, tmp_path, names, expected):
    write_images(years[0] / "red" / "sub", ("blue", "red"), count=1)
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "sets" / "train", ("blue", "red"), count=1)
    write_images(tmp_path / "sets" / "val", ("blue", "red"), count=1)
    with pytest.raises(DataError, match=expected):
        load("folder", train_root=names.format(years[0]))


def test_check_and_prepare(roots, tmp_path, capsys):
    assert data_command.main(["check", *roots, "--json"]) == 3  # pictures are in both sets
    report = json.loads(capsys.readouterr().out)
    assert report["data"] == f"folder in {roots[1]}"
    assert report["sets"] == {"train": 12, "validation": 6}
    command = ["prepare", "-", str(tmp_path / "prepared"), *roots]
    for result in ("prepared 12 for train, 6 for validation", "is complete already"):
        assert data_command.main(command) == 0
        output = capsys.readouterr()
        assert result in output.out
        assert f"validation: {roots[3]}, 2 classes, 6 images" in output.err
    assert len(load("auto", tmp_path / "prepared")["validation"]) == 6


def test_doctor_says_which_folders_it_looks_at(narrow, roots, capsys):
    doctor([*OPTIONS, *roots])
    output = capsys.readouterr()
    assert f"train: {roots[1]}, 2 classes, 12 images" in output.err
    assert "12 training images of 2 classes" in output.out
