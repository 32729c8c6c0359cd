"""Every example runs, and the notebook shows what its code prints."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from alexnet.training.options import parse

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "backprop_by_hand.ipynb"


def learns(lines):
    assert float(lines[-1].split("%")[0]) > 95


def steps_agree(lines):
    errors = [float(line.split()[-1]) for line in lines[2:]]
    assert len(errors) == 5
    assert max(errors) < 1e-5


def says(text):
    def check(lines):
        assert text in lines[-1]

    return check


# Options that make a run short, and what is asked of the lines that it prints.
RUNS = {
    "autograd.py": ("", says("all 108 entries    True")),
    "train_small_network.py": ("", learns),
    "own_network.py": ("--subset 64 --epochs 1", says("epoch 1: loss")),
    "convolution_ladder.py": ("--images 1 --channels 32 32 --seconds 0.1", steps_agree),
}


def test_there_is_a_run_for_every_example():
    assert {path.name for path in EXAMPLES.glob("*.py")} == RUNS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_example_runs(name, monkeypatch, capsys):
    options, check = RUNS[name]
    monkeypatch.setattr(sys, "argv", [name, *options.split()])
    try:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    except SystemExit as end:
        assert not end.code
    check(capsys.readouterr().out.splitlines())


# In place of SLURM's commands: they note how they were called, and srun saves a checkpoint.
SRUN = """#!/bin/bash
echo "srun $*" >> calls
mkdir -p runs/slurm-7
touch runs/slurm-7/last.safetensors
exit $CODE
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> calls
"""


def test_the_slurm_script_goes_on_until_the_run_is_complete(tmp_path):
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def turn(code):
        """The calls of one turn of the job, in which training ends with this exit code."""
        (tmp_path / "calls").unlink(missing_ok=True)
        path = f"{tmp_path}:{os.environ['PATH']}"
        job = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8", "CODE": str(code), "PATH": path}
        command = ["bash", EXAMPLES / "slurm.sh", "--data-root", "my photos", "--epochs", "90"]
        assert subprocess.run(command, cwd=tmp_path, env=os.environ | job).returncode == code
        return (tmp_path / "calls").read_text().splitlines()

    train = "srun -K --mpi=pmi2 --cpus-per-task=8 python -m alexnet.train"
    first = f"{train} --data-root my photos --epochs 90 --out runs/slurm-7"
    assert turn(138) == [first, "scontrol requeue 7"]
    assert turn(138) == [f"{train} --resume runs/slurm-7", "scontrol requeue 7"]
    assert turn(5) == [f"{train} --resume runs/slurm-7"]
    assert turn(0) == [f"{train} --resume runs/slurm-7"]


def test_the_job_of_kubernetes_has_valid_options():
    text = (EXAMPLES / "mpijob.yaml").read_text(encoding="utf-8")
    command, *_ = map(json.loads, re.findall(r"command: (.*)", text))
    assert command[:6] == ["mpiexec", "-n", "4", "python", "-m", "alexnet.train"]
    parse(command[6:])


def test_the_notebook_prints_what_it_shows(monkeypatch, capsys):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figures = 0

    def show():
        nonlocal figures
        figures += len(plt.get_fignums())
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    namespace = {}
    for number, cell in enumerate(cells("code"), start=1):
        code = compile("".join(cell["source"]), f"cell {number}", "exec")
        figures = 0
        exec(code, namespace)
        shown = [output for output in cell["outputs"] if output["output_type"] == "stream"]
        assert capsys.readouterr().out == "".join("".join(output["text"]) for output in shown)
        assert figures == len(cell["outputs"]) - len(shown), f"figures of cell {number}"


def test_the_notebook_is_valid():
    """As nbformat 4.5 has it, and run from top to bottom."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        common = {"cell_type", "id", "metadata", "source"}
        own = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == common | own
    counts = [cell["execution_count"] for cell in cells("code")]
    assert counts == list(range(1, len(counts) + 1))


def cells(kind):
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]
