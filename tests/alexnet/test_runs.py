"""``python -m alexnet.runs``."""

import csv
import json
import shutil

import pytest

from alexnet import files, runs
from alexnet.inference.results import proportion
from alexnet.run.folder import LOCK, RUN_JSON
from tests.alexnet.runs import STEPS_PER_EPOCH, resume, rows_of


@pytest.fixture(scope="module")
def folder(start, undisturbed, tmp_path_factory):
    """Three runs: a complete one, one that was stopped, and one that diverged."""
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(undisturbed, root / "complete")
    assert start(root / "stopped", "--max-steps", str(STEPS_PER_EPOCH + 1), "--lr", "0.005") == 0
    assert start(root / "diverged", "--seed", "5", "--max-steps", "2") == 0
    assert resume(root / "diverged", "--lr", "1e9") == 5
    return root


def run(*command):
    return runs.main([str(part) for part in command])


def test_a_table_of_the_runs(folder, capsys):
    capsys.readouterr()
    assert run(folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:4] == ["run", "state", "epochs", "top-1"]
    table = {lines[i].split()[0]: (lines[i].split(), lines[i + 1].split()) for i in (1, 3, 5)}
    best = max(row["val_top1"] for row in rows_of(folder / "complete"))
    value, interval = proportion(round(6 * best), 6).percentages()
    cells, differing = table["complete"]
    assert cells[1:7] == ["finished", "2/2", value, *interval.split()]
    assert differing == ["--seed", "0", "--lr", "0.01"]
    assert table["stopped"][0][1:3] == ["stopped", "1/2"]
    assert table["stopped"][1] == ["--seed", "0", "--lr", "0.005"]
    assert table["diverged"] == (
        ["diverged", "diverged", "0/2"],
        "--seed 5 --lr 1000000000.0".split(),
    )
    assert lines[5].startswith("diverged")  # the best first


def test_some_of_them_in_another_order(folder, capsys):
    capsys.readouterr()
    assert run(folder, "--where", "lr=0.005") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("stopped")
    assert run(folder, "--sort", "name", "--where", "batch-size=4") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [name for name in names if not name.startswith("--")] == [
        "complete",
        "diverged",
        "stopped",
    ]
    assert run(folder, "--where", "state=finished", "--where", "seed=0") == 0
    out = capsys.readouterr().out
    assert "complete" in out and "--lr" not in out  # nothing differs in a single run


def test_runs_on_other_data_say_so(folder, tmp_path, capsys):
    for name in ("one", "two"):
        shutil.copytree(folder / "complete", tmp_path / name)
        path = tmp_path / name / RUN_JSON
        content = json.loads(path.read_text())
        content["arguments"]["data_root"] = f"photos of {name}"
        path.write_text(json.dumps(content))
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[2].strip(), lines[4].strip()] == [
        "--data-root photos of one",
        "--data-root photos of two",
    ]


def test_files(folder, tmp_path, capsys):
    assert run(folder, "--csv", tmp_path / "x.csv", "--html", tmp_path / "x.html") == 0
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"complete", "stopped", "diverged"}
    assert rows["diverged"]["best_top1"] == "" and rows["stopped"]["lr"] == "0.005"
    best = max(row["val_top1"] for row in rows_of(folder / "complete"))
    assert float(rows["complete"]["best_top1"]) == pytest.approx(best, rel=1e-6)
    assert rows["complete"]["validation_images"] == "6"
    page = (tmp_path / "x.html").read_text()
    assert '<th scope="row">stopped</th>' in page and "0.005" in page


def test_a_run_that_is_going_on(folder):
    with files.locked(folder / "stopped" / LOCK):
        assert runs.read(folder / "stopped").state == "running"
    assert runs.read(folder / "stopped").state == "stopped"


def test_a_run_that_diverged_and_goes_on_with_a_smaller_rate(start, tmp_path):
    folder = tmp_path / "run"
    assert start(folder, "--epochs", "1") == 0
    assert resume(folder, "--epochs", "3", "--lr", "1e9") == 5
    assert runs.read(folder).state == "diverged"
    assert resume(folder, "--epochs", "2", "--lr", "0.01") == 0
    assert runs.read(folder).state == "finished"


def test_a_run_that_ended_by_its_patience(folder, tmp_path):
    copy = shutil.copytree(folder / "complete", tmp_path / "copy")
    text = json.loads((copy / "run.json").read_text())
    text["arguments"] |= {"epochs": 9, "patience": 1}
    (copy / "run.json").write_text(json.dumps(text))
    rows = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    for row, top1 in zip(rows, (0.5, 0.5)):
        row["val_top1"] = top1
    (copy / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert runs.read(copy).state == "finished"
    assert runs.read(copy).best["epoch"] == 1


def test_what_cannot_be_read(folder, tmp_path, capfd, error_of):
    shutil.copytree(folder / "complete", tmp_path / "all" / "complete")
    shutil.copytree(folder / "complete", tmp_path / "all" / "damaged")
    (tmp_path / "all" / "damaged" / "run.json").write_text("{}")
    (tmp_path / "all" / "complete" / "replaced-1").mkdir()
    shutil.copy(folder / "complete" / "run.json", tmp_path / "all" / "complete" / "replaced-1")
    for path in (tmp_path / "all" / "complete").glob("*.safetensors"):
        path.unlink()
    capfd.readouterr()
    assert run(tmp_path / "all") == 0
    out, err = capfd.readouterr()
    assert "warning: " in err and "damaged/run.json cannot be read" in err
    assert len([line for line in out.splitlines() if line.startswith("complete")]) == 1
    assert error_of(run, tmp_path / "empty") == (2, f"no run below {tmp_path / 'empty'}")
    for option, message in [
        ("lr", "'lr' is not NAME=VALUE"),
        ("rate=1", "--where rate=1: no run has such a setting"),
        ("lr=7", "no run with lr=7"),
    ]:
        code, error = error_of(run, folder, "--where", option)
        assert code == 2 and message in error


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("run.json", '"epochs": 2', '"epochs": null'),
        ("run.json", '"epochs": 2', '"epochs": "many"'),
        ("run.json", '"patience": null', '"patience": []'),
        ("metrics.jsonl", '"seconds": ', '"seconds": null, "x": '),
        ("metrics.jsonl", '"val_top1": ', '"val_top1": NaN, "x": '),
    ],
)
def test_damage_of_one_run_leaves_the_others(folder, tmp_path, capsys, name, change, message):
    for copy in ("damaged", "whole"):
        shutil.copytree(folder / "complete", tmp_path / copy)
    file = tmp_path / "damaged" / name
    assert change in file.read_text()
    file.write_text(file.read_text().replace(change, message))
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]].count("whole") == 1
    assert "nan" not in "".join(lines)


def test_where_runs_lie(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "link").symlink_to(folder / "complete")
    (tmp_path / "all" / "loop").symlink_to(tmp_path / "all")
    assert [each.name for each in runs.find(tmp_path / "all")] == ["link"]
    monkeypatch.chdir(folder / "complete")
    assert run(".") == 0
    replaced = shutil.copytree(folder / "complete", tmp_path / "run" / "replaced-1")
    assert [each.name for each in runs.find(replaced)] == [str(replaced)]


def test_long_and_odd_names_stay_in_their_line(folder, tmp_path, capsys):
    odd = tmp_path / ("very long name of a run \x1b[31m" + 40 * "x")
    shutil.copytree(folder / "complete", odd)
    shutil.copytree(folder / "stopped", tmp_path / "other")
    text = (odd / "run.json").read_text().replace('"init_from": null', '"init_from": "a\\n" ')
    (odd / "run.json").write_text(text.replace('"seed": 0', f'"seed": "{100 * "y"}"'))
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)
    assert sum(not line.startswith("    ") for line in lines) == 3
