"""The benchmark of the trace, with times that are made up."""

import json
from types import SimpleNamespace

import pytest

from alexnet.errors import Failed
from benchmarks import trace
from benchmarks.timing import Sample


@pytest.fixture
def quick(monkeypatch):
    """Steps that take no time, of 1 s without a trace and 1.02 s within one."""
    steps = SimpleNamespace(sums=[], plain=lambda: 1.0)

    def traced():
        steps.sums.append(steps.sum)
        return 1.02

    steps.sum, steps.traced = 1.01, traced
    monkeypatch.setattr(trace, "Steps", lambda arch, batch: steps)
    return steps


def test_the_table_and_the_report(quick, capsys, tmp_path):
    file = tmp_path / "trace.json"
    assert trace.main(["--repeats", "3", "--json", str(file)]) == 0
    *_, plain, traced, total = capsys.readouterr().out.splitlines()
    assert plain.split() == ["without", "a", "trace", "1000.0", "1000.0-1000.0", "1.000", "-"]
    assert traced.split()[3:] == ["1020.0", "1020.0-1020.0", "1.020", "-"]
    assert total.split()[4:] == ["1010.0", "1010.0-1010.0", "1.010", "-"]
    report = json.loads(file.read_text())
    assert [result["name"] for result in report["results"]] == ["plain", "traced", "sum"]
    assert report["results"][2]["seconds"] == [1.01] * 3, "without the rounds of warming up"


@pytest.mark.parametrize("total", [0.9, 1.13])
def test_spans_that_are_not_the_step(quick, capsys, total):
    quick.sum = total
    assert trace.main(["--repeats", "3"]) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"error: the spans are {total / 1.02:.0%} of the step that they are of")
    )


def test_a_share_at_the_edge():
    samples = {"traced": Sample((1.0,)), "sum": Sample((0.901,))}
    trace._require_whole(samples)
    with pytest.raises(Failed):
        trace._require_whole(samples | {"sum": Sample((0.899,))})


def test_steps_of_a_network():
    steps = trace.Steps("owt", 1)
    before = [parameter.numpy().copy() for parameter in steps.model.parameters()]
    assert steps.plain() > 0 and not steps.sums and steps.traced() > 0
    assert len(steps.sums) == 1 and steps.sums[0] > 0
    changed = zip(before, steps.model.parameters(), strict=True)
    assert any((old != new.numpy()).any() for old, new in changed)
