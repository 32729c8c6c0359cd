"""The table of a trace."""

import html
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.trace import table
from minigrad.trace.table import Row, Table
from minigrad.trace.work import Array, Work
from tests.minigrad.trace.networks import Step

# 2e9 FLOPs take 20 ms at 100 GFLOP/s; 4e7 bytes take 4 ms at 10 GB/s.
ARRAY = Array("output", (2, 3), "float32", "C order", 24, True)
PRODUCT = Work("cpu", "linear.forward", (ARRAY,), 2_000_000_000, 40_000_000, "float32")
COPY = Work("cpu", "relu.forward", (ARRAY,), 1000, 40_000_000, "float32")


def filled():
    found = Table()
    found.add_rest("forward", 0.001)
    for seconds in (0.025, 0.045, 0.03):
        found.add_call("fc6", "forward", PRODUCT, seconds)
    found.add_call("", "forward", COPY, 0.005)
    found.add_call("fc6", "backward", COPY, 0.016)
    found.add_operation("tanh6", "forward", "Tanh", 0.004)
    found.add_rest("backward", 0.024)
    return found


def test_numbers():
    assert str(filled()).splitlines() == [
        "layer  pass      operation             calls     ms   share  median  GFLOP/s  limit",
        "-" * 83,
        "fc6    forward   linear.forward            3  100.0   66.7%   30.00     60.0    60%",
        "fc6    backward  relu.forward              1   16.0   10.7%   16.00      0.0    25%",
        "-      forward   relu.forward              1    5.0    3.3%    5.00      0.0    80%",
        "tanh6  forward   Tanh                      1    4.0    2.7%    4.00",
        "-      forward   (outside of kernels)           1.0    0.7%",
        "-      backward  (outside of kernels)          24.0   16.0%",
        "-" * 83,
        "sum                                        6  150.0  100.0%             49.6    56%",
        "",
        "Limits: 100 GFLOP/s in float32, 10.0 GB/s, of a large matrix product and a large copy.",
    ]


def test_limits_of_several_devices_and_precisions():
    found = filled()
    bf16 = Work("cuda", "linear.forward", (ARRAY,), 1, 1, "tf32")
    found.add_call("fc6", "forward", bf16, 0.001)
    assert str(found).splitlines()[-1] == (
        "Limits: 100 GFLOP/s in float32, 100 GFLOP/s in tf32, 10.0 GB/s, 10.0 GB/s, of a large "
        "matrix product and a large copy."
    )


def test_an_empty_table(monkeypatch):
    monkeypatch.setattr(table.limits, "gflops", lambda *arguments: pytest.fail("measures"))
    assert str(Table()) == "nothing was recorded: no kernel was called"
    with mg.trace() as t:
        pass
    assert str(t) == "nothing was recorded: no kernel was called"


def test_in_a_notebook_it_has_the_same_cells():
    step = Step()
    with mg.trace() as t:
        step()
    cells = re.findall(r"<t[dh]>(.*?)</t[dh]>", t._repr_html_())
    printed = [cell for line in str(t).splitlines() for cell in re.split(r" {2,}", line) if cell]
    assert not {html.unescape(cell) for cell in cells if cell} - set(map(str.strip, printed))
    assert "<p>Limits: " in t._repr_html_()


def test_the_median_of_many_calls_is_of_a_part_of_them(monkeypatch):
    """Evenly spaced over all of them, so that memory does not grow."""
    monkeypatch.setattr(table, "MOST_TIMES", 64)
    row = Row()
    times = np.arange(1, 1001) / 1000
    for seconds in times:
        row.add(seconds, None)
    assert row.calls == 1000 and row.seconds == pytest.approx(times.sum())
    assert len(row._times) < 64
    spaces = np.diff(np.round(1000 * np.array(row._times)))
    assert len(set(spaces)) == 1 and row.median == pytest.approx(np.median(times), rel=0.05)


def test_the_median_of_few_calls_is_of_all():
    row = Row()
    for seconds in (5.0, 1.0, 2.0):
        row.add(seconds, None)
    assert row.median == 2
