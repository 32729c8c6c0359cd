"""The curve of the loss over the learning rate: its range, its end, and the command."""

import numpy as np
import pytest
from PIL import Image

from alexnet.doctor import lr_range
from alexnet.doctor.__main__ import FOUND_A_PROBLEM, main
from alexnet.training.build import build_trainer
from alexnet.training.options import new_run
from tests.alexnet.doctor.images import write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "photos", classes=3, count=14)


@pytest.fixture
def trainer(photos, tmp_path):
    options = {"data_root": str(photos), "image_size": 67, "batch_size": 8, "workers": 0}
    return build_trainer(new_run(options), lambda settings: tmp_path)[0]


def test_it_finds_rates_that_train(trainer):
    """The default recipe learns these images with 0.01, and 10 is too much for any of them."""
    curve = lr_range.measure(trainer)
    assert len(curve.rates) == len(curve.losses) == len(curve.means) <= lr_range.STEPS
    growth = np.diff(np.log(curve.rates))
    assert curve.rates[0] == pytest.approx(1e-5) and np.allclose(growth, growth[0])
    assert curve.means[0] == curve.losses[0]
    low, high = curve.bounds
    assert 1e-5 < low < high and low < 0.02 and 0.002 < high < 1
    assert curve.rates[-1] < 10 or curve.means[-1] > 1.5 * min(curve.means)


def curve_of(means):
    rates = list(np.logspace(-4, 1, len(means)))
    return lr_range.Curve(rates, list(means), list(means))


def test_the_range_by_hand():
    rates = curve_of([1.0] * 6).rates
    assert curve_of([2.0, 2.0, 1.8, 1.2, 1.0, 4.0]).bounds == (rates[2], 0.3 * rates[4])
    assert curve_of([1.0, 1.0, 1.1, 2.0, 3.0, 4.0]).bounds is None  # it never falls
    assert curve_of([2.0, 2.1, 1.9, 2.1, 1.9, 2.0]).bounds is None  # batches differ
    # Too steep for a safe distance.
    assert curve_of([2.0, 1.0, 3.0, 3.0, 3.0, 3.0]).bounds == (rates[1], rates[1])
    assert lr_range.figure(curve_of([1.0, 2.0]), "none").axes[0].get_xscale() == "log"


def test_the_command(photos, tmp_path, capsys):
    path = tmp_path / "curve.png"
    command = ["--data-root", str(photos), "--image-size", "67", "-b", "8", "-j", "0"]
    assert main([*command, "--lr-range", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("learning rates from ") and "(--lr is 0.01)" in out
    assert "cannot tell" in out
    with Image.open(path) as image:
        assert image.width == 1110
    capsys.readouterr()
    assert main([*command, "--lr-range", str(path), "--lr", "1e35"]) == FOUND_A_PROBLEM
    assert "the loss " in capsys.readouterr().out
    assert main([*command, "--lr-range", str(tmp_path / "curve.jpg")]) == 2
