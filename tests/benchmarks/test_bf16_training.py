"""``python -m benchmarks.bf16_training``, for runs that are not made."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from alexnet.errors import UsageError
from alexnet.inference.results import proportion
from alexnet.run.checkpoint import LAST
from alexnet.run.folder import RUN_JSON
from benchmarks import bf16_training
from minigrad.io import CheckpointError

IMAGES = 200


def stored(precision="float32", seed=0, top1=0.5, epochs=2, **settings):
    """What `alexnet.load` gives for the last checkpoint of a run."""
    rows = [
        {"epoch": e, "train_loss": 2.0 / e, "val_loss": 3.0 / e + seed, "val_top1": top1 * e / 2}
        for e in (1, 2)
    ]
    arguments = {"data": "demo", "lr": 0.01, "epochs": epochs, "precision": precision}
    checkpoint = SimpleNamespace(arguments=arguments | {"seed": seed} | settings)
    return SimpleNamespace(checkpoint=checkpoint, metrics=rows, dataset=lambda: range(IMAGES))


def write_run_json(folder, arguments, changed=None):
    """Of a run that was started, and continued with a change of its settings if one is given."""
    starts = [{"changed": {}}, *([{"changed": changed}] if changed else [])]
    Path(folder).mkdir(exist_ok=True)
    (Path(folder) / RUN_JSON).write_text(json.dumps({"arguments": arguments, "starts": starts}))


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Run the command on such runs; returns its exit code and what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*runs, options=()):
        folders = {f"run-{number}": network for number, network in enumerate(runs)}
        for folder, network in folders.items():
            write_run_json(folder, network.checkpoint.arguments)
        known = {Path(folder) / LAST: network for folder, network in folders.items()}
        monkeypatch.setattr(bf16_training, "load", known.__getitem__)
        code = bf16_training.main([*folders, *options])
        printed = capsys.readouterr()
        return code, printed.err if code else printed.out

    return run


def test_the_table_has_each_run_and_the_means(compare):
    given = ("bf16", 1, 0.7), ("float32", 1, 0.6), ("bf16", 0, 0.4), ("float32", 0, 0.504)
    code, printed = compare(*(stored(*run) for run in given))
    assert code == 0
    header, *rows = printed.splitlines()
    assert header.split()[:3] == ["data", "precision", "seed"]
    found = [tuple(row.split()[:6]) for row in rows]
    assert found == [
        ("demo", "float32", "0", "1.000", "1.500", "50.4%"),
        ("demo", "float32", "1", "1.000", "2.500", "60.0%"),
        ("demo", "float32", "mean", "1.000", "2.000", "55.2%"),
        ("demo", "bf16", "0", "1.000", "1.500", "40.0%"),
        ("demo", "bf16", "1", "1.000", "2.500", "70.0%"),
        ("demo", "bf16", "mean", "1.000", "2.000", "55.0%"),
    ]
    for row in (rows[2], rows[5]):
        assert row.endswith(proportion(110, IMAGES).percentages()[1])


def test_files(compare, tmp_path):
    both = [stored(), stored("bf16"), stored(data="cifar10"), stored("bf16", data="cifar10")]
    paths = tmp_path / "figures.json", tmp_path / "losses.png"
    options = ("--json", str(paths[0]), "--plot", str(paths[1]))
    assert compare(*both, options=options)[0] == 0
    results = json.loads(paths[0].read_text())["results"]
    assert [(r["data"], r["precision"]) for r in results] == (
        [(data, p) for data in ("cifar10", "demo") for p in ("float32", "bf16")]
    )
    assert results[0]["epochs"] == both[0].metrics
    assert results[0]["top1_interval"] == list(proportion(100, IMAGES)[1:])
    assert paths[1].stat().st_size > 5000


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([stored(), stored("bf16", lr=0.1)], "run-0 and run-1 differ in lr: "),
        ([stored(), stored("bf16", seed=1)], "are 0 in float32 and 1 in bf16: "),
        ([stored()], "are 0 in float32 and none in bf16: "),
        ([stored(), stored(), stored("bf16"), stored("bf16")], "are 0, 0 in float32"),
        ([stored("tf32")], "run-0 is no run in float32 or bf16: run.json names tf32"),
        ([stored(epochs=3)], "run-0 has 2 of 3 epochs: continue it with python -m alexnet.train "),
    ],
)
def test_runs_that_cannot_be_compared(compare, runs, message):
    code, said = compare(*runs)
    assert code == 2
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize("names", [("bf16", "float32"), ("float32", "bf16"), ()])
def test_a_run_is_in_one_precision(tmp_path, monkeypatch, names):
    """Whatever its checkpoints say, which have the precision of their own step."""
    known = stored(names[-1] if names else "float32")
    monkeypatch.setattr(bf16_training, "load", lambda path: known)
    if names:
        write_run_json(tmp_path, known.checkpoint.arguments, {"precision": names})
    told = ", then ".join(names) or "no precision"
    with pytest.raises(UsageError, match=f"is no run in float32 or bf16: run.json names {told}$"):
        bf16_training.read(tmp_path)


def test_a_folder_without_a_run(tmp_path, capsys):
    assert bf16_training.main([str(tmp_path)]) == 4
    assert str(tmp_path) in capsys.readouterr().err
    with pytest.raises(CheckpointError):
        bf16_training.read(tmp_path)
