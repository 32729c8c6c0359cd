"""``python -m alexnet.summary``."""

import re

import pytest

from alexnet import summary
from alexnet.model import AlexNet


def test_costs_of_the_paper_s_network(capsys):
    assert summary.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    conv2 = next(line.split() for line in lines if line.startswith("conv2"))
    # 256 maps of 27x27, each from 48 channels and a window of 5x5; 4 bytes, 128 images.
    assert conv2 == ["conv2", "Conv2d", "256x27x27", "307,456", "223,948,800", "95.6"]
    # Computed with the pooling after it.
    norm1 = next(line.split() for line in lines if line.startswith("norm1"))
    assert norm1 == ["norm1", "LocalResponseNorm", "96x55x55", "0", "0", "0.0"]
    total = next(line.split() for line in lines if line.startswith("total"))
    assert total[1:3] == ["60,965,224", "724,406,816"]
    assert "parameters 244 MB, with gradients and momentum 732 MB;" in lines[-2]
    assert max(map(len, lines)) <= 80


def test_options(capsys):
    assert summary.main(["--arch", "owt", "--classes", "10", "--image-size", "63", "-b", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line.split() for line in lines if line.startswith("conv1"))[2] == "64x15x15"
    assert next(line.split() for line in lines if line.startswith("fc8"))[2] == "10"


def test_a_variant(capsys):
    """The options are those of the training; what they make is what it would train."""
    options = "--groups", "1", "--width", "0.5,conv5=1", "--without", "conv3", "--norm", "code2012"
    assert summary.main([*options, "--activation", "tanh", "--classes", "10"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = {row[0]: row[1:] for row in rows if row}
    assert "conv3" not in found and "relu1" not in found
    assert found["tanh1"][0] == "Tanh" and found["norm1"][0] == "ColumnNorm"
    # 3x3 windows of 128 channels of conv2, and a bias, for each of 192 channels.
    assert found["conv4"][1:3] == ["192x13x13", f"{192 * (9 * 128 + 1):,}"]
    assert found["conv5"][1] == "256x13x13" and found["fc7"][1] == "2048"


def test_the_small_network_has_its_own_number_of_classes(capsys):
    assert summary.main(["--arch", "cifar"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(row for row in rows if row[:1] == ["total"])[1] == "89,578"
    assert next(row for row in rows if row[:1] == ["norm2"])[1:3] == ["WithinChannelNorm", "32x8x8"]


def test_graph(tmp_path, capsys):
    """In training mode, from the images to the loss, with the names of the table's layers."""
    path = tmp_path / "graph.svg"
    options = "--image-size", "67", "--width", "0.05", "--classes", "10", "--without", "conv3"
    assert summary.main([*options, "--graph", str(path)]) == 0
    assert capsys.readouterr().out.startswith("layer")
    svg = path.read_text(encoding="utf-8")
    layers = "conv1", "conv2", "conv4", "conv5", "fc6", "fc7", "fc8"
    names = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    shown = re.findall(r'<text class="name"[^>]*>([^<]*)</text>', svg)
    assert sorted(name for name in shown if "." in name) == sorted(names)
    assert shown.count("dropout") == 2 and "(1, 3, 67, 67)" in svg
    assert shown[0] == "images" and shown[-3:] == ["cross_entropy", "sum", "divide"]


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(training):
    model = AlexNet(2, image_size=67, width=0.05).train(training)
    costs = {cost.name: cost for cost in summary.layer_costs(model, 67)}
    assert costs["drop6"].output_bytes > 0  # what it costs to learn, in either mode
    assert all(module.training is training for _, module in model.named_modules())


@pytest.mark.parametrize(
    "options, message",
    [
        (["--classes", "1"], "num_classes must be at least 2"),
        (["--image-size", "20"], "image_size must be at least 67"),
        (["--arch", "owt", "--norm", "lrn"], "the network 'owt' has no normalization 'lrn'"),
        (["--pooling", "plain", "--image-size", "115"], "size at which it does not is 102"),
        (["--graph", "graph.png"], "'graph.png' does not end in .svg"),
        (["--graph", "missing/graph.svg"], "would lie in a folder that does not exist"),
        (["--batch-size", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_wrong_options(options, message, capsys):
    assert summary.main(options) == 2
    assert message in capsys.readouterr().err
