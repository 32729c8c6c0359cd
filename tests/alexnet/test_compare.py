"""``python -m alexnet.compare``."""

import csv
import json

import pytest
from PIL import Image

from alexnet import compare, load
from tests.alexnet.runs import write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def other(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other") / "run"
    assert start(folder, "--seed", "3", "--norm", "none", "--epochs", "1") == 0
    return folder


def run(*command):
    return compare.main([str(part) for part in command])


def test_settings_and_networks(undisturbed, other, photos, capsys):
    command = [undisturbed, other, "--split", "train", "--data-root", photos]
    capsys.readouterr()
    assert run(*command) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[2].startswith(f"[2]  {str(other)[:40]}")
    assert max(map(len, text.splitlines())) <= 80
    lines = text.splitlines()
    assert "  seed  [1] 0  [2] 3" in lines and "  epochs  [1] 2  [2] 1" in lines
    assert "  norm  [1] alpha=0.4096  [2] kind=none" in lines
    assert run(*command, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    right = [load(folder).evaluate(photos, split="train").rank == 1 for folder in command[:2]]
    assert found["settings_that_differ"]["seed"] == ["0", "3"]
    second = found["runs"][1]
    assert second["minus_first"] == pytest.approx(right[1].mean() - right[0].mean())
    assert second["only_this_right"] == (right[1] & ~right[0]).sum()
    assert second["only_first_right"] == (right[0] & ~right[1]).sum()
    low, high = second["minus_first_interval"]
    assert low <= second["minus_first"] <= high and 0 <= second["mcnemar_p"] <= 1
    assert found["runs"][0]["minus_first"] == 0


def test_pictures_and_images(undisturbed, other, photos, tmp_path):
    command = [undisturbed, other, undisturbed, "--split", "train"]
    files = ["--curves", tmp_path / "curves.png", "--images", tmp_path / "images.csv"]
    assert run(*command, *files) == 0
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 500
    with (tmp_path / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [load(folder).evaluate(split="train").rank == 1 for folder in command[:2]]
    assert len(rows) == (right[0] != right[1]).sum()
    for row in rows:
        assert row["right 1: run"] == row["right 3: run"] != row["right 2: run"]
        for number in (1, 2):
            is_right = row[f"predicted {number}: run"] == row["label"]
            assert row[f"right {number}: run"] == str(is_right)


def test_errors_in_one_line(undisturbed, other, start, tmp_path, error_of):
    write_images(tmp_path / "photos", count=20)
    assert start(tmp_path / "run", "--data-root", str(tmp_path / "photos"), "--epochs", "1") == 0
    for command, code, message in [
        ([undisturbed], 2, "one run alone cannot be compared"),
        ([undisturbed, tmp_path / "none"], 4, "does not exist"),
        ([undisturbed, tmp_path / "run"], 2, "has other validation images than the runs before"),
        ([undisturbed, other, "--images", tmp_path / "x.txt"], 2, "does not end in .csv"),
    ]:
        found = error_of(run, *command)
        assert found[0] == code and message in found[1], found


def test_a_run_is_not_different_from_itself(undisturbed, capsys):
    capsys.readouterr()
    assert run(undisturbed, undisturbed) == 0
    text = capsys.readouterr().out
    assert "no setting differs" in text
    assert ["[2]", "+0.00", "points"] in [line.split()[:3] for line in text.splitlines()]
