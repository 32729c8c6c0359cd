"""The rates of the loader, and what is made of them."""

import json

import pytest

from benchmarks import data, feed
from benchmarks.timing import Sample


def rates(python, one):
    """Seconds of 100 images."""
    samples = {"python": python, "one": one, "two": one / 2, "disk": 1.0}
    return feed.Rates(**{name: Sample((seconds,)) for name, seconds in samples.items()})


@pytest.mark.parametrize(
    "python, one, cores, expected",
    [
        (0.001, 0.01, 1, 10_000),
        (0.001, 0.01, 4, 40_000),
        (0.001, 0.01, 16, 100_000),  # Python is in the way
    ],
)
def test_the_model(python, one, cores, expected):
    assert feed.modelled(rates(python, one), 100, cores) == pytest.approx(expected)


@pytest.mark.parametrize("python, verdict", [(0.001, "enough"), (0.01, "too few")])
def test_the_verdict(python, verdict):
    *_, model, bytes_moved = feed.lines(rates(python, 0.02), 100)
    assert model.startswith("16 cores, by this model: ") and f"; {verdict} for 46,000" in model
    assert bytes_moved.startswith("46,000 images/s read 9.0 GB/s")


def test_the_command(tmp_path, capsys):
    file = tmp_path / "feed.json"
    options = ["--feed", "--images", "12", "--batch", "4", "--repeats", "1", "--json", str(file)]
    assert data.main(options) == 0
    printed = capsys.readouterr().out
    for line in ("Python of an image alone", "prepared squares, two threads", "the disk, squares"):
        assert line in printed
    report = json.loads(file.read_text())
    assert report["kind"] == "feed"
    assert {len(sample["seconds"]) for sample in report["passes"].values()} == {1}
