"""``python -m benchmarks.bf16_training``, for runs that are not made."""

import json
from types import SimpleNamespace

import pytest

from alexnet.inference.results import proportion
from benchmarks import bf16_training
from minigrad.io import CheckpointError

IMAGES = 200


def stored(precision="float32", seed=0, top1=0.5, epochs=2, **settings):
    """What `alexnet.load` gives for the folder of a run."""
    rows = [
        {"epoch": e, "train_loss": 2.0 / e, "val_loss": 3.0 / e + seed, "val_top1": top1 * e / 2}
        for e in (1, 2)
    ]
    arguments = {"data": "demo", "lr": 0.01, "epochs": epochs, "precision": precision}
    checkpoint = SimpleNamespace(arguments=arguments | {"seed": seed} | settings)
    return SimpleNamespace(checkpoint=checkpoint, metrics=rows, dataset=lambda: range(IMAGES))


@pytest.fixture
def compare(monkeypatch, capsys):
    """Run the command on such runs; returns its exit code and what it prints."""

    def run(*runs, options=()):
        folders = {f"run-{number}": network for number, network in enumerate(runs)}
        monkeypatch.setattr(bf16_training, "load", lambda folder: folders[str(folder)])
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
        ([stored("tf32")], "run-0 is no run in float32 or bf16"),
        ([stored(epochs=3)], "run-0 has 2 of 3 epochs: continue it with python -m alexnet.train "),
    ],
)
def test_runs_that_cannot_be_compared(compare, runs, message):
    code, said = compare(*runs)
    assert code == 2
    assert message in said and said.count("\n") == 1


def test_a_folder_without_a_run(tmp_path, capsys):
    assert bf16_training.main([str(tmp_path)]) == 4
    assert str(tmp_path) in capsys.readouterr().err
    with pytest.raises(CheckpointError):
        bf16_training.read(tmp_path)
