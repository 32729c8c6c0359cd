"""The file of a trace against the trace event format."""

import errno
import json
import os
import threading

import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.trace import file, recording
from tests.minigrad.trace.networks import Step

# Of complete events and of metadata, as the format's description has them.
KEYS = {
    "X": {"name": str, "cat": str, "ts": float, "dur": float, "pid": int, "tid": int, "args": dict},
    "M": {"name": str, "pid": int, "args": dict},
}


def saved(trace, folder):
    path = folder / "trace.json"
    trace.save(path)
    assert os.listdir(folder) == ["trace.json"]
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


@pytest.fixture
def traced():
    step = Step()
    with mg.trace(statistics=True) as t:
        step()
        thread = threading.Thread(target=lambda: F.relu(mg.tensor([1.0])), name="another")
        thread.start()
        thread.join()
    return t


def test_keys_and_types(traced, tmp_path):
    content = saved(traced, tmp_path)
    assert content["displayTimeUnit"] == "ms" and content["otherData"] == {}
    events = content["traceEvents"]
    assert len([e for e in events if e["ph"] == "X"]) == len(traced.calls) + len(traced.spans)
    for event in events:
        for key, kind in KEYS[event["ph"]].items():
            assert isinstance(event[key], kind), (event, key)
        assert event["pid"] == os.getpid()
    kinds = {e["cat"] for e in events if e["ph"] == "X"}
    assert kinds == {"module", "forward", "backward", "backward pass", "update", "kernel"}
    assert all(event["ts"] >= 0 and event["dur"] >= 0 for event in events if event["ph"] == "X")


def test_names_of_process_and_threads(traced, tmp_path):
    events = saved(traced, tmp_path)["traceEvents"]
    named = {e["args"]["name"]: e for e in events if e["ph"] == "M"}
    assert named["minigrad"]["name"] == "process_name"
    assert named["another"]["name"] == "thread_name" and "MainThread" in named
    (other,) = [
        e for e in events if e.get("cat") == "kernel" and e["tid"] == named["another"]["tid"]
    ]
    assert other["name"] == "relu.forward"


def test_events_of_a_thread_nest(traced, tmp_path):
    """What begins within another event ends within it, or viewers draw nonsense."""
    events = [e for e in saved(traced, tmp_path)["traceEvents"] if e["ph"] == "X"]
    for tid in {event["tid"] for event in events}:
        open_until = []
        mine = (e for e in events if e["tid"] == tid)
        for event in sorted(mine, key=lambda e: (e["ts"], -e["dur"])):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 0.002  # rounded to ns
            open_until.append(end)


def test_what_is_said_of_a_call(traced, tmp_path):
    events = saved(traced, tmp_path)["traceEvents"]
    call = next(e for e in events if e.get("name") == "conv2d.forward_relu")
    about = call["args"]
    assert about["layer"] == "0.pair.0 + 0.pair.1" and about["pass"] == "forward"
    assert (about["algorithm"], about["reason"]) == ("direct", "Winograd saves little")
    assert about["input"] == "3x6x6x2 float32, channels last"
    assert about["weight"] == "4x2x3x3 float32, C order"
    assert about["FLOPs"] == 2 * 3 * 36 * 4 * 18
    assert about["bytes"] == 4 * (3 * 36 * 2 + 4 * 18 + 4 + 3 * 36 * 4)
    assert about["output:"].startswith("min 0, mean ") and about["output:"].endswith("0 infinite")
    work = traced.calls[0]
    assert about["GFLOP/s"] == round(work.gflops, 1)
    assert call["ts"] == pytest.approx(1e6 * work.began, abs=1e-3)
    assert call["dur"] == pytest.approx(1e6 * work.seconds, abs=1e-3)
    assert "algorithm" not in next(e for e in events if e["name"] == "linear.forward")["args"]


def test_it_says_what_it_leaves_out(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "MOST_EVENTS", 3)
    with mg.trace() as t:
        for _ in range(3):
            F.relu(mg.tensor([1.0]))
    content = saved(t, tmp_path)
    assert len([e for e in content["traceEvents"] if e["ph"] == "X"]) == 3
    assert content["otherData"] == {
        "omitted": "3 calls and spans after the last event of this file"
    }


def test_names_of_any_kind(tmp_path):
    layer = nn.ReLU()
    with mg.trace() as t:
        t.name_layers({'"\n\u2603': layer})
        layer(mg.tensor([1.0]))
    names = [e["name"] for e in saved(t, tmp_path)["traceEvents"]]
    assert '"\n\u2603' in names


def test_an_empty_trace_is_a_file_too(tmp_path):
    with mg.trace() as t:
        pass
    assert all(event["ph"] == "M" for event in saved(t, tmp_path)["traceEvents"])


def test_a_full_disk_leaves_what_was_there(traced, monkeypatch, tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("before")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        traced.save(path)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["trace.json"]
    with pytest.raises(FileNotFoundError):
        traced.save(tmp_path / "missing" / "trace.json")
