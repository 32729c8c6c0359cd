"""What is printed while a pass over images is under way."""

import functools
import re
import sys
from types import SimpleNamespace

import pytest
from tqdm import tqdm
from tqdm.notebook import tqdm as tqdm_of_notebooks

from alexnet.run import progress

LINE = re.compile(
    r"(?P<title>.+): (?P<done>[\d,]+) of (?P<images>[\d,]+) images, loss (?P<loss>\d+\.\d{3}), "
    r"top-1 (?P<top1>\d+\.\d)%, (?P<rate>\d+\.\d) images/s, waiting for data (?P<waiting>\d+)%, "
    r"(?P<left>\d+:\d\d:\d\d) left"
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock.now`."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def printed(capsys):
    """The lines on stderr, taken apart; nothing is printed to stdout."""

    def printed():
        out, err = capsys.readouterr()
        assert out == ""
        return [LINE.fullmatch(line).groupdict() for line in err.splitlines()]

    return printed


def test_a_line_can_be_parsed(clock, printed):
    with progress.lines("epoch 3", 12_000) as report:
        clock.now += 12
        report(3000, 1.23456, 0.4567, 0.123)
    assert printed() == [
        {
            **{"title": "epoch 3", "done": "3,000", "images": "12,000", "loss": "1.235"},
            **{"top1": "45.7", "rate": "250.0", "waiting": "12", "left": "0:00:36"},
        }
    ]


def test_rate_and_time_left_of_a_continued_pass_count_only_what_it_did(clock, printed):
    with progress.lines("epoch 1", 1000, 600) as report:
        clock.now += 20
        report(200, 1.0, 0.5, 0.0)
    (line,) = printed()
    assert (line["done"], line["rate"], line["left"]) == ("800", "10.0", "0:00:20")


def test_no_line_for_a_short_pass(clock, printed):
    with progress.lines("epoch 1", 100) as report:
        for _ in range(10):
            clock.now += 0.9
            report(10, 1.0, 0.5, 0.0)
    assert printed() == []


@pytest.mark.parametrize(
    "seconds_per_batch, lines", [(0.5, 5), (1.0, 10), (60.0, 10)], ids=["50 s", "100 s", "2 h"]
)
def test_a_line_every_ten_seconds_but_at_most_ten(clock, printed, seconds_per_batch, lines):
    with progress.lines("epoch 1", 100) as report:
        for _ in range(100):
            clock.now += seconds_per_batch
            report(1, 1.0, 0.5, 0.0)
    done = [int(line["done"]) for line in printed()]
    assert len(done) == lines
    assert done == [100 // lines * (i + 1) for i in range(lines)]


def test_bar(capsys, monkeypatch):
    # A bar that has not been drawn for a tenth of a second would be drawn next.
    monkeypatch.setattr(progress, "tqdm", functools.partial(tqdm, mininterval=0, ncols=200))
    with progress.bar("epoch 2", 40, 10) as report:
        report(30, 0.5, 0.25, 0.07)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2:  25%" in err
    assert "epoch 2: 100%" in err
    assert "10/40" in err
    assert "loss 0.500, top-1 25.0%, waiting for data 7%" in err
    assert err.endswith("\r")  # and leaves no line behind
    assert "\n" not in err


def test_silent(capsys):
    with progress.silent("epoch 1", 10) as report:
        report(10, 1.0, 0.5, 0.0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("show", [progress.silent, progress.bar, progress.lines])
def test_errors_are_let_through(show):
    with pytest.raises(KeyboardInterrupt), show("epoch 1", 10) as report:
        report(1, 1.0, 0.5, 0.0)
        raise KeyboardInterrupt


@pytest.mark.parametrize("terminal, expected", [(True, progress.bar), (False, progress.lines)])
def test_a_bar_needs_a_terminal(monkeypatch, terminal, expected):
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: terminal))
    assert progress.for_this_terminal() is expected


@pytest.mark.parametrize("widgets", [True, False])
@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(kernel=...)])
def test_a_notebook_has_a_bar_where_there_are_widgets(monkeypatch, widgets, shell):
    """IPython in a terminal has no kernel; other programs may have imported it."""
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    find_spec = {"ipywidgets": ... if widgets else None}.get
    monkeypatch.setattr(progress.importlib.util, "find_spec", find_spec)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: False))
    drawn = widgets and hasattr(shell, "kernel")
    assert progress.for_this_terminal() is (progress.bar if drawn else progress.lines)
    assert progress._bar_class() is (tqdm_of_notebooks if drawn else tqdm)
