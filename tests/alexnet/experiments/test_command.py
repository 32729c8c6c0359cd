"""The command: the list, the tables, the figure, the quick form, and wrong use."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from alexnet.experiments import __main__ as command
from alexnet.experiments.record import Record
from tests.alexnet.experiments.made_up import COMPARED, LEVEL, epochs, record_with, row
from tests.alexnet.experiments.tiny import NAME, TINY


def test_without_a_name_the_experiments_are_listed(experiments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    experiments["made-up"] = COMPARED
    folder = tmp_path / "runs/experiments/made-up"
    folder.mkdir(parents=True)
    record_with(folder, row("one"), row("other"))
    assert command.main([]) == 0
    assert capsys.readouterr().out == (
        "tiny: Tiny\n"
        "  results only, no claim of the paper\n"
        "  photos; 2 arms (slow, fast), 2 seeds\n"
        "  rows: 0 of 4; about 0.1 min a run, 0.0067 h in all, on two cores\n"
        "\n"
        "made-up: Made up\n"
        "  Section 0\n"
        "  photos; 2 arms (one, other), 3 seeds\n"
        "  rows: 2 of 6; cost unknown\n"
    )


def test_the_list_counts_declared_runs_and_names_damaged_records(
    experiments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    experiments["made-up"] = COMPARED
    folder, other = tmp_path / "runs/experiments/made-up", tmp_path / "runs/experiments/tiny"
    folder.mkdir(parents=True)
    other.mkdir()
    record_with(folder, row("one"), row("one", 3), row("one", 17), row("removed"))
    (other / "rows.csv").write_text("no record")
    assert command.main([]) == 0
    text = capsys.readouterr().out
    assert "  rows: 1 of 6; cost unknown\n" in text
    assert f"  {Path('runs/experiments/tiny/rows.csv')} is no record of tiny: its columns" in text


@pytest.fixture
def made_up(experiments, tmp_path, monkeypatch):
    """The folder of a record with rows that fit the settings of their experiment."""
    experiments["made-up"] = COMPARED
    monkeypatch.setattr("alexnet.experiments.runner.deciding", lambda *arguments: {"lr": 0.01})
    folder = tmp_path / "made-up"
    folder.mkdir()
    rows = []
    for arm, top1, reached in (
        ("one", [0.80, 0.81, 0.80], epochs(6.0, 7.0, 6.5)),
        ("other", [0.78, 0.77, 0.78], epochs(30.0, ">60", 33.0)),
    ):
        for seed in range(3):
            values = {"val_top1": top1[seed], LEVEL.column: reached[seed], "color_p": 0.01}
            values |= {"ten_views_top1": 0.82, "only_one_view": 10, "only_ten_views": 30}
            values |= {"seconds": 1800}
            rows.append(row(arm, seed, **values))
    record_with(folder, *rows)
    return folder


def test_tables_for_a_page(made_up, capsys):
    assert command.main(["made-up", "--out", str(made_up), "--table"]) == 0
    text = capsys.readouterr().out
    assert text.startswith('Section 0: "A claim."\n\n| arm | runs | test error | 95% interval |')
    assert "| one | 3 | 19.67% ± 0.58 | 18.23% to 21.10% | 50.00% ± 0.00 | 18.00% ± 0.00 |" in text
    assert "| > 39.02 (1 of 3 never) |" in text
    assert (
        "| epochs to 25% training error: other over one | 6 | > 6.01 |  | no interval: 1 of" in text
    )
    assert text.count("\n| ") == 2 + 2 + 2 + 5
    assert "5 comparisons: of twenty 95% intervals, one misses" in text
    assert "on these test images; that of ten views is over images, too. Nothing" in text
    assert "The rates were searched in `tiny-rates`, with other seeds: 1000, 1001." in text


def test_all_comparisons_in_one_table(made_up, capsys):
    """From files named after their experiments; one without a file has no row."""
    (made_up / "rows.csv").rename(made_up / "made-up.csv")
    assert command.main(["--table", "--rows", str(made_up)]) == 0
    header, rule, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith("| verdict | runs | hours |") and rule.count("---") == 8
    assert len(lines) == len(COMPARED.comparisons)
    # Runs of half an hour each.
    assert lines[0].startswith("| `made-up` | test error: one minus other | -2.00 points | -2.67")
    assert lines[0].endswith("| 6 | 3.0 |") and lines[2].endswith("| 3 | 1.5 |")
    assert command.main(["--rows", str(made_up)]) == 0
    assert "rows: 6 of 6" in capsys.readouterr().out


def test_the_figure_is_drawn(made_up, tmp_path):
    for name in ("figure.png", "figure.svg"):
        assert command.main(["made-up", "--out", str(made_up), "--plot", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width == 1110
    text = (tmp_path / "figure.svg").read_text()
    assert "epochs to 25% training error: other over one:" in text


def test_tables_need_scipy(made_up, error_of, monkeypatch):
    find_spec = importlib.util.find_spec

    def missing(name, *others):
        return None if name == "scipy" else find_spec(name, *others)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    code, line = error_of(command.main, ["made-up", "--out", str(made_up), "--table"])
    assert (code, line) == (2, "intervals need SciPy, which is not installed: pip install scipy")


def test_the_quick_form_on_the_demo_set(experiments, tmp_path, monkeypatch, capsys):
    """With rows of its own, beside those of the experiment."""
    monkeypatch.chdir(tmp_path)
    experiments[NAME] = experiment = replace(TINY, ten_views=False)
    assert command.main([NAME, "--quick", "--seeds", "1", "--arms", "fast"]) == 0
    folder = tmp_path / "runs/experiments/tiny-quick-demo"
    (row,) = Record(folder / "rows.csv", experiment.quick_form(has_data=False)).rows.values()
    assert (row.experiment, row.settings["subset"], row.settings["data"]) == (
        "tiny-quick-demo", 10, "demo"
    )  # fmt: skip
    capsys.readouterr()
    assert command.main([NAME, "--quick", "--table"]) == 0
    assert "This is the quick form" in capsys.readouterr().out
    # With the data it is another form, with a record of its own.
    assert command.main([NAME, "--quick", "--data-root", "photos", "--table"]) == 2
    assert f"{Path('runs/experiments/tiny-quick/rows.csv')} has no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, code, text",
    [
        (["nothing"], 2, "there is no experiment 'nothing': choose from tiny"),
        ([NAME], 2, "tiny needs the folder with photos: give --data-root DIR"),
        ([NAME, "--arms", "fast,third"], 2, "tiny has no arm 'third': choose from slow, fast"),
        ([NAME, "--seeds", "1001"], 2, "the rates were chosen with seed 1000"),
        ([NAME, "--table"], 2, "has no rows yet"),
        ([NAME, "--repeat", "fast"], 2, "is no ARM:SEED"),
        ([NAME, "--repeat", "fast:0", "--table"], 2, "give one"),
        ([NAME, "--repeat", "fast:0", "--max-time", "1h"], 2, "--max-time has no effect with"),
        ([NAME, "--repeat", "fast:0", "--keep-networks"], 2, "--keep-networks has no effect"),
        ([NAME, "--repeat", "fast:0", "--seeds", "2"], 2, "--seeds has no effect with --repeat"),
        ([NAME, "--table", "--arms", "fast"], 2, "--arms has no effect with --table and --plot"),
        ([NAME, "--plot", "a.png", "--seeds", "1"], 2, "--seeds has no effect with --table"),
        ([NAME, "--table", "--workers", "0"], 2, "--workers has no effect with --table"),
        ([NAME, "--table", "--data-root", "."], 2, "--data-root has no effect with --table"),
        (["--table"], 2, f"no experiment has rows yet in {Path('runs/experiments/NAME')}"),
        (["--quick"], 2, "--quick needs the NAME of an experiment"),
        (["--table", "--seeds", "3"], 2, "--seeds needs the NAME of an experiment"),
        ([NAME, "--data-root", "missing"], 3, "missing: no such folder"),
        ([NAME, "--quick", "--out", "/proc/out"], 7, "/proc"),
    ],
)
def test_wrong_use_is_a_line(experiments, tmp_path, monkeypatch, error_of, options, code, text):
    monkeypatch.chdir(tmp_path)
    found, line = error_of(command.main, options)
    assert found == code and text in line
    assert not list(tmp_path.iterdir())


def test_rows_of_the_experiment_and_of_its_quick_form_do_not_mix(
    run_tiny, complete, tmp_path, error_of
):
    rows = complete / "rows.csv"
    code, line = error_of(run_tiny, tmp_path / "out", "--quick", "--rows", str(rows))
    assert code == 3 and "is the record of tiny, not of tiny-quick" in line


def test_an_experiment_without_comparisons_has_one_table(experiments, complete, capsys):
    experiments[NAME] = replace(TINY, comparisons=())
    assert command.main([NAME, "--out", str(complete), "--table"]) == 0
    assert capsys.readouterr().out.count("\n| --- |") == 1
