"""``python -m benchmarks.scale``."""

import json
from contextlib import contextmanager

import pytest

from benchmarks import machine, scale
from benchmarks.scale import Model, Point, fit
from benchmarks.timing import Sample

TRUTH = Model(fixed=0.01, update=0.04, serial=0.002, work=0.02)


def points_of(model, noise=(1.0,)):
    sizes = [(n, t) for n in (1, 7, 32, 128) for t in (1, 2)]
    factors = (noise * len(sizes))[: len(sizes)]
    return [
        Point(n, 227, t, Sample((factor * model.seconds(n, t),)))
        for (n, t), factor in zip(sizes, factors)
    ]


def test_the_model_is_found_again():
    model, error = fit(points_of(TRUTH))
    assert error < 1e-9
    for part in ("fixed", "update", "serial", "work"):
        assert getattr(model, part) == pytest.approx(getattr(TRUTH, part))
    assert model.seconds(10, 4) == pytest.approx(0.01 + 0.01 + 10 * 0.007)


def test_no_part_is_negative():
    model, error = fit(points_of(Model(0.0, 0.01, 0.0, 0.02), noise=(1.03, 0.97, 1.0)))
    assert min(model.fixed, model.update, model.serial, model.work) == 0
    assert 0 < error < 0.05


def test_a_model_needs_batches_and_threads():
    points = points_of(TRUTH)
    assert fit([point for point in points if point.threads == 2]) is None
    assert fit([point for point in points if point.batch == 32]) is None


def test_the_command(monkeypatch, tmp_path, capsys):
    class Fake:
        def __init__(self, seconds):
            self.seconds = seconds

        def ask(self, word):
            assert word == "step"
            return self.seconds

    @contextmanager
    def started(entry, work, threads):
        yield Fake(TRUTH.seconds(work.size, threads) * (work.side / 227) ** 2)

    monkeypatch.setattr(scale, "started", started)
    monkeypatch.setattr(machine, "introduce", lambda others: {"threads": 2})
    files = tmp_path / "scale.json", tmp_path / "scale.png"
    assert scale.main(["--json", str(files[0]), "--plot", str(files[1])]) == 0
    out = capsys.readouterr().out
    assert "10.0 + 40.0 / T + N * (2.00 + 20.00 / T)" in out and "within 0%" in out
    names = [result["name"] for result in json.loads(files[0].read_text())["results"]]
    assert len(names) == len(set(names)) == 2 * len(scale.BATCHES) + len(scale.SIDES) - 1
    assert all(
        len(result["seconds"]) == 6 for result in json.loads(files[0].read_text())["results"]
    )
    assert "batch 32, 115 pixels, 2 threads" in names
    assert files[1].stat().st_size > 5000
    assert scale.main(["--plot", str(tmp_path / "missing" / "scale.png")]) == 7
