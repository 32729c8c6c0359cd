"""A line for a call."""

import numpy as np
import pytest

import minigrad as mg
from alexnet import AlexNet
from alexnet.inference.layers import named_layers
from minigrad.trace import Call, lines
from minigrad.trace.work import Array, Statistics, Work
from tests.minigrad.trace.networks import Step

OUTPUT = Array("output", (128, 13, 13, 384), "float32", "channels last", 4 * 128 * 169 * 384, True)
WORK = Work("cpu", "conv2d.forward_relu", (OUTPUT,), 30_000_000_000, 70_000_000, "float32")


def call(**changes):
    named = {"layer": "conv4 + relu4", "phase": "forward", "work": WORK, "began": 0.0}
    return Call(**({**named, "seconds": 0.4, "thread": 1, "statistics": ()} | changes))


def test_a_line():
    assert lines.line(call()) == (
        "conv4 + relu4 128x13x13x384  400.00    75.0   75%  conv2d.forward_relu"
    )
    outside = call(layer="", seconds=12.5)
    assert lines.line(outside).startswith("-             128x13x13x384 12500.00     2.4    2%  ")


def test_the_columns_are_those_of_the_header():
    ends = [lines.HEADER.index(word) + len(word) for word in (" ms", "GFLOP/s", "limit")]
    text = lines.line(call())
    assert [text[:end].split()[-1] for end in ends] == ["400.00", "75.0", "75%"]
    assert text.index("conv2d") == lines.HEADER.index("kernel")


def test_algorithm_and_statistics():
    work = Work(
        *[getattr(WORK, name) for name in WORK.__slots__][:6], "winograd", "3x3, 9 channels"
    )
    found = (Statistics("output", -1.0, 0.25, 1e9, 2, 1), Statistics("argmax", 0, 4, 8, 0, 0))
    first, *others = lines.line(call(work=work, statistics=found)).splitlines()
    assert first.endswith("  conv2d.forward_relu winograd: 3x3, 9 channels")
    assert [other.strip() for other in others] == [
        "output: min -1, mean 0.25, max 1e+09, 2 NaN, 1 infinite",
        "argmax: min 0, mean 4, max 8, 0 NaN, 0 infinite",
    ]


@pytest.mark.parametrize("length", [10, 1000])
def test_long_lines_are_cut(length):
    work = Work("cpu", "relu.forward", (OUTPUT,), 1, 1, "float32", "direct", "x" * length)
    text = lines.line(call(work=work))
    assert len(text) <= lines.WIDTH and text.endswith("..." if length > 99 else "x" * length)


def test_every_line_of_alexnet_fits():
    """Nothing of the reasons is cut off."""
    model = AlexNet(num_classes=3, image_size=67, width=0.1)
    step = Step(model, (2, 3, 67, 67), (0, 2))
    with mg.trace() as t:
        t.name_layers(named_layers(model))
        step()
    texts = [lines.line(each) for each in t.calls]
    assert max(map(len, texts)) <= lines.WIDTH and not any(text.endswith("...") for text in texts)
    assert len(texts) == len(t.calls) > np.prod((5, 8))
