"""How a run is named in pictures."""

from pathlib import Path

from alexnet.visualize import output


def test_a_long_name_of_a_run_keeps_its_end():
    assert output.run_name(Path("runs/demo-alexnet-1"), 40) == "runs/demo-alexnet-1"
    name = output.run_name(Path("/a/folder/in/a/folder/runs/demo-alexnet-1"), 20)
    assert name == "…runs/demo-alexnet-1"
    assert len(name) == 20
    assert output.run_name(Path("runs/\udcff"), 40) == "runs/?"
