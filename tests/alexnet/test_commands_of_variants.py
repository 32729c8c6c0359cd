"""Every command on a run of the small network, and on one of a variant of AlexNet."""

import numpy as np
import pytest
from PIL import Image

from alexnet import convert, evaluate, predict, train
from alexnet.report import __main__ as report
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.visualize import __main__ as visualize

RUNS = {
    "cifar": ("--arch", "cifar", "--width", "0.25", "--image-size", "32"),
    "variant": (
        *("--activation", "tanh", "--norm", "code2012", "--groups", "1", "--without", "conv3"),
        *("--width", "0.05", "--image-size", "67", "--pooling", "plain"),
    ),
}
LAYERS = {"cifar": "conv1 conv2 conv3", "variant": "conv1 conv2 conv4 conv5"}
LAST_HIDDEN = {"cifar": "pool3", "variant": "fc7"}


@pytest.fixture(scope="module", params=RUNS)
def run(request, photos, tmp_path_factory):
    """The name of a network, and the folder of its run."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    options = "--data-root", str(photos), "-b", "4", "--epochs", "1", "--snapshot-filters"
    assert train.main([*RUNS[request.param], *options, "--out", str(folder)]) == 0
    return request.param, folder


@pytest.mark.parametrize(
    "command",
    [
        "filters",
        "filters --layer conv2",
        "filters --epochs",
        "filters --patches --layer conv2",
        "responses",
        "curves",
        "neighbours -k 2",
        "activations",
        "activations --layers pool1 norm2",
        "saliency --count 1",
        "map --count 6 --method pca",
    ],
)
def test_pictures(run, command, tmp_path, capsys):
    name, folder = run
    kind, *options = command.split()
    picture = tmp_path / "picture.png"
    assert visualize.main([kind, str(folder), *options, "--out", str(picture)]) == 0
    with Image.open(picture) as image:
        assert np.asarray(image.convert("L")).std() > 1
    printed = capsys.readouterr()
    if kind == "map":
        assert f"PCA of {LAST_HIDDEN[name]}" in printed.out
    if kind == "neighbours" and "computing" in printed.err:
        assert f"computing {LAST_HIDDEN[name]} of " in printed.err


def test_layers_that_the_network_does_not_have(run, error_of):
    name, folder = run
    for command in (("filters", "--layer"), ("activations", "--layers"), ("map", "--layer")):
        kind, option = command
        code, message = error_of(visualize.main, [kind, str(folder), option, "conv9"])
        assert code == 2
        assert message.startswith("no layer 'conv9'") and LAYERS[name].split()[2] in message


def test_results_and_files(run, photos, tmp_path, capsys):
    name, folder = run
    assert evaluate.main([str(folder)]) == 0
    assert predict.main([str(folder), str(next(photos.rglob("*.png")))]) == 0
    assert report.main([str(folder), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert all(f">{layer}<" in page for layer in LAYERS[name].split())
    for suffix in (".safetensors", ".onnx", ".pth"):
        assert convert.main([str(folder), "--out", str(tmp_path / f"network{suffix}")]) == 0
    assert "parity    against onnxruntime" in capsys.readouterr().out
    again = Checkpoint.load(tmp_path / "network.safetensors")
    assert again.network == Checkpoint.load(folder / LAST).network
