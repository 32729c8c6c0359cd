"""``python -m benchmarks.normalization``."""

import re

import pytest
from PIL import Image

from alexnet.model import ARCHITECTURES
from benchmarks import normalization
from tests.alexnet.narrow import NarrowAlexNet
from tests.alexnet.runs import write_images


@pytest.fixture
def small(one_thread, monkeypatch, tmp_path):
    """A narrow network, few small images and one epoch."""
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    data = {"data": "folder", "data_root": str(write_images(tmp_path / "photos"))}
    monkeypatch.setattr(normalization, "OPTIONS", {"image_size": 67, "epochs": 1, **data})


def test_the_command(small, tmp_path, capsys):
    picture = tmp_path / "normalization.png"
    assert normalization.main(["--plot", str(picture)]) == 0
    paper, scaled, copy = capsys.readouterr().out.split("(top-1")[1:]
    medians = []
    for text in (paper, scaled, copy):
        lines = re.findall(r"^  (norm.*?):\s+(.*?)% of 0.595", text, re.MULTILINE)
        when = "at the start", "trained"
        assert [name for name, _ in lines] == [f"norm{n}, {w}" for w in when for n in (1, 2)]
        medians.append(float(lines[0][1]))
    assert copy.count("a constant") == 4 and "a constant" not in scaled
    # The alpha of each setting is that of its network.
    assert medians[1] < 85 < medians[0] < 99.8 < medians[2]
    with Image.open(picture) as image:
        assert image.format == "PNG"
