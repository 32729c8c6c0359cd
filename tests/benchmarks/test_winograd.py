"""``python -m benchmarks.winograd``."""

import json
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import precision, winograd
from minigrad.kernels.conv2d.winograd_algorithms import Algorithm, algorithms


@pytest.mark.parametrize("taps", winograd.TAPS)
@pytest.mark.parametrize("bfloat16", [False, True])
def test_every_algorithm_gives_the_direct_sum(taps, bfloat16, rng):
    images = rng.standard_normal((2, 13, 13, 3), np.float32)
    weight = rng.standard_normal((4, taps, taps, 3), np.float32)
    exact = winograd.direct(images.astype(float), weight.astype(float))
    assert exact.shape == (2, 14 - taps, 14 - taps, 4)
    assert exact[1, 2, 3, 1] == pytest.approx(
        (images[1, 2 : 2 + taps, 3 : 3 + taps] * weight[1].astype(float)).sum()
    )
    for algorithm in algorithms(taps, bfloat16):
        output = winograd.winograd(images, weight, algorithm, np.asarray)
        np.testing.assert_allclose(output, exact, atol=1e-5 * np.abs(exact).max())


def test_errors_are_those_of_the_formats(monkeypatch):
    """The root mean square of a rounding to bfloat16 is 0.42 of the unit roundoff."""
    monkeypatch.setattr(winograd, "CHANNELS", 16)
    direct, *others = winograd.measure(3, "bf16")
    assert direct.error == pytest.approx(0.42 * 2**0.5 * precision.UNIT_ROUNDOFF, rel=0.1)
    assert direct.speed == 2 and direct.products == 9
    for result in others:
        within = result.error < precision.AMPLIFICATION * direct.error
        assert within == result.used, "what is in use is within benchmarks.precision.tolerance"
    direct, *others = winograd.measure(3, "float32")
    assert all(result.error <= result.worst < 8 * direct.error for result in others if result.used)
    assert direct.error < 5e-7 and max(r.error for r in others if r.used) < 4 * direct.error
    (textbook,) = [r for r in others if r.name == "F(4, 3)" and not r.used]
    assert textbook.products == 2.25 and textbook.speed == 4
    assert textbook.error > 4 * direct.error


def test_names_of_points():
    points = 0, -1, Fraction(1, 2), "infinity", (0, 1), (-1, 1), (2, -3)
    assert [winograd.point_name(point) for point in points] == (
        ["0", "-1", "1/2", "infinity", "x^2+1", "x^2-x+1", "x^2+2x-3"]
    )


def test_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(winograd, "CHANNELS", 4)
    file, picture = tmp_path / "winograd.json", tmp_path / "precision.png"
    assert winograd.main(["--json", str(file), "--plot", str(picture)]) == 0
    results = json.loads(file.read_text())["results"]
    header, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(results) and picture.stat().st_size > 5000
    assert {(r["taps"], r["precision"]) for r in results} == (
        {(taps, p) for taps in winograd.TAPS for p in ("float32", "bf16")}
    )
    direct = [row.split() for row in rows if " direct " in row]
    assert [row[-2:] for row in direct] == [["1.0", "1.0"]] * 8
    assert [len(row) for row in rows if "not used" not in row] == [len(header)] * sum(
        r["used"] for r in results
    )
    assert Algorithm(4, 3, (0, 1, -1, 2, -2, winograd.INFINITY)).products == 6
