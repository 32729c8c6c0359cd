"""``python -m alexnet.visualize normalization``: its numbers, and what it draws."""

import re

import numpy as np
import pytest

import alexnet
from alexnet import train
from alexnet.inference import normalizations
from alexnet.inference.normalizations import Pairs
from alexnet.run.checkpoint import BEST, Checkpoint
from alexnet.visualize import __main__ as visualize
from alexnet.visualize import normalization, pictures
from alexnet.visualize.normalization_figures import described, normalization_figure
from tests.alexnet.narrow import NarrowOWT
from tests.alexnet.runs import OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def run(narrow, tmp_path_factory):
    """A run of an epoch, whose normalizations normalize; tests only read it."""
    root = tmp_path_factory.mktemp("normalization")
    write_images(root / "photos")
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
    assert train.main([*command, "--epochs", "1"]) == 0
    checkpoint = Checkpoint.load(root / "run" / BEST)
    checkpoint.network = {"norm": {"alpha": 2.0, "k": 1.0}}
    checkpoint.save(root / "run" / BEST)
    return root / "run"


def call(*command):
    return visualize.main(["normalization", *(str(part) for part in command)])


def test_the_command(run, tmp_path, capsys):
    capsys.readouterr()
    assert call(run, "-n", "3", "--out", tmp_path / "n.png") == 0
    first, second, path = capsys.readouterr().out.splitlines()
    assert path == str(tmp_path / "n.png")
    network = alexnet.load(run)
    for line, pairs in zip((first, second), all_pairs(network, 3)):
        median = np.median(pairs.gain)
        printed = re.fullmatch(rf"{pairs.layer}: (.+)% of 1.000 \(median\), .*", line)
        assert float(printed[1]) == pytest.approx(100 * median, abs=0.6)
        assert median < 0.95


def all_pairs(network, count):
    """Those of the images that the command takes, all of them."""
    images = pictures.choose_images(network, None, count)
    inputs = np.concatenate([p.inputs for p in pictures.prepare_images(network, images)])
    return normalizations.pairs(network.model, inputs)


def test_each_image_gives_the_same_number_of_activations(run, monkeypatch):
    network = alexnet.load(run)
    images = pictures.choose_images(network, None, 3)
    monkeypatch.setattr(normalization, "PAIRS_PER_IMAGE", 10)
    measured = normalization.measure(network, images)
    assert measured.images == 3
    for pairs, every in zip(measured.normalizations, all_pairs(network, 3)):
        assert len(pairs.input) == 30
        assert len(set(pairs.input)) > 20  # of three images, each with its own
        around = dict(zip(every.input, every.output))
        assert [around[value] for value in pairs.input] == pytest.approx(pairs.output, rel=1e-5)
    first, again, other = (
        normalization.measure(network, images, seed).normalizations[0].input for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_picture_shows_the_numbers():
    inputs = np.linspace(0.01, 10, 2000)
    normalized = Pairs("norm1", 0.5, inputs, 0.5 * inputs * np.where(inputs > 6, 0.25, 0.75))
    constant = Pairs("norm2", 0.5, inputs, 0.5 * inputs)
    silent = Pairs("norm3", 0.5, np.empty(0), np.empty(0))
    figure = normalization_figure([normalized, constant, silent], "title")
    densities, histograms = figure.axes[::2], figure.axes[1::2]
    titles = [axes.get_title(loc="left") for axes in densities]
    assert titles[0] == "norm1: 75.0% of 0.500 (median), 25.0% to 75.0% (1% to 99%)"
    assert titles[1].endswith("100.0% to 100.0% (1% to 99%): a constant")
    assert titles[2] == "norm3: its input is 0 for all images"
    for axes in densities:
        (line,) = axes.lines
        (_, across), (_, up) = line.get_data()
        assert up == 0.5 * across
    heights = [bar.get_height() for bar in histograms[0].patches]
    assert np.flatnonzero(heights).tolist() == [12, 37]  # of 50 bins
    assert sum(heights) == pytest.approx(1)
    assert [bar.get_height() for bar in histograms[1].patches][-1] == 1
    # The density lies below the line: of each column the filled cell is at the output.
    filled = np.argwhere(densities[0].images[0].get_array().filled(0) > 0)
    rows, columns = filled.T
    assert (rows <= columns + 1).all() and len(set(columns)) > 100


def test_described_in_numbers():
    gain = np.repeat((0.2, 0.6, 0.9), (100, 800, 100))
    text = described(Pairs("norm1", 0.595, np.full(1000, 3.0), 3 * 0.595 * gain))
    assert text == "60.0% of 0.595 (median), 20.0% to 90.0% (1% to 99%)"


def test_a_network_without_normalization(run, tmp_path, capsys):
    checkpoint = Checkpoint.load(run / BEST)
    checkpoint.architecture, checkpoint.network = "owt", {}
    checkpoint.model = NarrowOWT(3, 67).state_dict()
    checkpoint.save(tmp_path / "owt.safetensors")
    capsys.readouterr()
    assert call(tmp_path / "owt.safetensors") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "owt.safetensors has no response normalization; choose a network" in line
