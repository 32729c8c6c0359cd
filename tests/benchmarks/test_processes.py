"""The model of a step on many GPUs: its bytes and times, worked out by hand."""

import pytest

from alexnet.model import AlexNet
from benchmarks import processes, scale
from benchmarks.processes import (
    GPUS_PER_NODE,
    NETWORKS,
    Layer,
    Network,
    Workload,
    reduction_seconds,
    sent_bytes,
    step_seconds,
    workload,
)
from minigrad import nn

SLOW = Network("slow", inside=100.0, between=10.0)
COUNTS = (1, 2, 3, 8, 16, 64, 1000)


@pytest.fixture(scope="module")
def alexnet():
    return workload(AlexNet(init="torch"), 227, 9e-3)


def test_work_of_a_small_network():
    """By hand: 4x4 pixels, a convolution of 1x1, then 32 numbers to 5 classes."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(32, 5))
    work = workload(model, 4, 1.0)
    last, first = work.layers
    assert (last.name, last.gradient_bytes) == ("fc2", 4 * (32 * 5 + 5))
    assert (first.name, first.gradient_bytes) == ("conv1", 4 * (2 * 3 + 2))
    # Forward 16 * 6 = 96 and 160; backward twice 160, then 96, for there is no input gradient.
    assert last.ready == pytest.approx(320 / 416) and first.ready == 1
    assert work.backward / work.forward == pytest.approx(416 / 256)
    assert work.seconds == pytest.approx(1)
    assert work.update == pytest.approx(5 * 4 * 173 / processes.MEMORY_BANDWIDTH)


def test_gradients_of_the_paper_s_network(alexnet):
    assert alexnet.gradient_bytes == 4 * 60_965_224
    assert [layer.name for layer in alexnet.layers[:3]] == ["fc8", "fc7", "fc6"]
    fully_connected = sum(layer.gradient_bytes for layer in alexnet.layers[:3])
    assert fully_connected / alexnet.gradient_bytes == pytest.approx(0.96, abs=0.01)
    ready = [layer.ready for layer in alexnet.layers]
    assert ready == sorted(ready) and ready[2] < 0.1 and ready[-1] == 1


def test_bytes_are_those_of_a_ring():
    assert [sent_bytes(1000, n) for n in (1, 2, 4, 1000)] == [0, 1000, 1500, 1998]


def test_a_reduction_by_hand(monkeypatch):
    monkeypatch.setattr(processes, "MEMORY_BANDWIDTH", 1000.0)
    # 2 GPUs: 1000 bytes to the neighbor; 1000 read and 500 written to add them.
    assert reduction_seconds(1000, 2, SLOW) == pytest.approx(10 + 1.5)
    # 16 GPUs: 125 bytes to each of 7 neighbors, and to each of 8 in the other node.
    assert reduction_seconds(1000, 16, SLOW) == pytest.approx(8 * 125 / 10 + 1.0625)
    # Where the node is the slower way, its messages decide.
    fast = Network("fast between", inside=1.0, between=1e9)
    assert reduction_seconds(1000, 16, fast) == pytest.approx(7 * 125 + 1.0625)


def test_overlap_by_hand(monkeypatch):
    """Two GPUs: the last layer's gradients take 3 s from second 1 on, the first's 1 s."""
    monkeypatch.setattr(processes, "MEMORY_BANDWIDTH", float("inf"))
    work = Workload([Layer("fc2", 300, 0.25), Layer("conv1", 100, 1.0)], 2.0, 4.0, 1.0)
    assert step_seconds(work, 2, SLOW, overlap=False) == 7 + 4
    # Ready at 1, sent until 4; ready at 4, sent until 5.
    assert step_seconds(work, 2, SLOW, overlap=True) == 2 + 5 + 1
    waiting = Workload([Layer("fc2", 800, 0.25), Layer("conv1", 100, 1.0)], 2.0, 4.0, 1.0)
    assert step_seconds(waiting, 2, SLOW, overlap=True) == 2 + (1 + 8 + 1) + 1


@pytest.mark.parametrize("network", NETWORKS)
def test_more_gpus_never_make_a_step_shorter(network, alexnet):
    for overlap in (False, True):
        seconds = [step_seconds(alexnet, count, network, overlap) for count in COUNTS]
        assert seconds[0] == pytest.approx(9e-3)
        assert seconds == sorted(seconds)
    for count in COUNTS:
        plain, overlapped = (step_seconds(alexnet, count, network, x) for x in (False, True))
        assert alexnet.seconds - 1e-12 <= overlapped <= plain + 1e-12
        assert (overlapped < plain) == (count > 1)
        assert reduction_seconds(alexnet.gradient_bytes, 1, network) == 0
    inside = [reduction_seconds(1000, GPUS_PER_NODE, other) for other in NETWORKS]
    assert len(set(inside)) == 1, "GPUs of one node do not use the network"


def test_the_command(capsys, monkeypatch):
    monkeypatch.setattr(scale, "measure", None)  # nothing is measured
    assert scale.main(["--processes", "1", "64"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A model, not a measurement")
    rows = [line.split() for line in out.splitlines() if line.startswith("    64")]
    assert len(rows) == len(NETWORKS) * len(processes.MEASURED_STEPS)
    assert {row[1] for row in rows} == {"8,192", "16,384"} and {row[2] for row in rows} == {"480.1"}


@pytest.mark.parametrize(
    "options, message",
    [
        (["--json", "scale.json"], "--processes measures nothing"),
        (["--arch", "owt"], "--processes is for --arch alexnet"),
        (["64", "9"], "--processes 9: the model has nodes of 8 GPUs; give up to 8, or a multiple"),
        (["0"], "--processes"),
    ],
)
def test_wrong_use(options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scale.main(["--processes", *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
