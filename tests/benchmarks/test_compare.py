"""``python -m benchmarks.compare``."""

import json

import pytest

from benchmarks import compare


@pytest.fixture
def write(tmp_path):
    """Writes a report with the seconds of each thing, and returns its path."""

    def write(name, batch=8, cpu="this one", **seconds):
        results = [{"name": key, "seconds": value} for key, value in seconds.items()]
        report = {"kind": "layers", "arch": "alexnet", "batch": batch, "results": results}
        report["about"] = {"cpu": cpu, "threads": 2}
        path = tmp_path / name
        path.write_text(json.dumps(report))
        return str(path)

    return write


def test_faster_slower_and_neither(write, capsys):
    before = write(
        "a.json", conv1=[1, 1.1, 1] * 2, conv2=[1] * 6, fc8=[1, 2, 3] * 2, few=[1], gone=[1]
    )
    after = write(
        "b.json", conv1=[0.5, 0.6, 0.5] * 2, conv2=[2] * 6, fc8=[1, 3, 2] * 2, few=[9], new=[1]
    )
    assert compare.main([before, after]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    rows = {row.split()[0]: row.split() for row in rows}
    assert rows["conv1"][1:4] == ["1000.00", "500.00", "0.50"] and rows["conv1"][-1] == "faster"
    assert rows["conv2"][3:] == ["2.00", "2.00-2.00", "slower"]
    assert rows["fc8"][3] == "1.00" and rows["fc8"][-1] not in ("faster", "slower")
    assert rows["few"][3:] == ["9.00", "-"], "one round says nothing"
    assert set(rows) == {"conv1", "conv2", "fc8", "few"}


def test_what_cannot_be_compared(write, tmp_path, capsys):
    good = write("a.json", conv1=[1])
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "list.json").write_text("[1]")
    for other, message in (
        (write("b.json", batch=9, conv1=[1]), "not the same benchmark: batch 8 and 9"),
        (
            write("c.json", cpu="another", conv1=[1]),
            "not the same machine: cpu this one and another",
        ),
        (str(tmp_path / "missing.json"), "No such file"),
        (str(tmp_path / "text.json"), "text.json is no report"),
        (str(tmp_path / "list.json"), "list.json is no report"),
    ):
        assert compare.main([good, other]) == 3
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1 and message in errors[0]
