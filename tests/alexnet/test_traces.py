"""Traces of commands: their layers have the names that all commands use."""

import numpy as np
import pytest

import alexnet
import minigrad as mg
from minigrad.trace import limits

LAYERS = (
    "conv1 + relu1 norm1 + pool1 conv2 + relu2 norm2 + pool2 conv3 + relu3 conv4 + relu4 "
    "conv5 + relu5 pool5 fc6 relu6 fc7 relu7 fc8"
)


@pytest.fixture(autouse=True)
def known_limits(monkeypatch):
    monkeypatch.setattr(limits, "gflops", lambda device, precision: 100.0)
    monkeypatch.setattr(limits, "gbytes", lambda device: 10.0)


def layers_of(calls):
    return " ".join(dict.fromkeys(call.layer for call in calls if call.layer))


def test_training(start, tmp_path):
    with mg.trace() as t:
        assert start(tmp_path / "run", "--max-steps", "1", "--dropout", "0") == 0
    backward = [call for call in t.calls if call.phase == "backward"]
    assert layers_of(reversed(backward)) == LAYERS
    assert {call.layer for call in t.calls if call.phase == "update"} == {"SGD"}
    assert {c.work.operation for c in t.calls if not c.phase} == {"prepare_images.forward"}


def test_a_network_that_is_loaded(undisturbed):
    trained = alexnet.load(undisturbed)
    with mg.trace() as t:
        trained.predict(np.zeros((67, 67, 3), np.uint8))
    assert layers_of(t.calls) == LAYERS
    assert {call.phase for call in t.calls} == {"forward", ""}
