"""Every example runs, and the notebook shows what its code prints."""

import asyncio
import contextlib
import copy
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
from pathlib import Path

import matplotlib
import nbclient
import nbformat
import pytest

from alexnet.training.options import parse
from tests.alexnet.runs import write_images

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "backprop_by_hand.ipynb"
NOTEBOOK_ON_API = EXAMPLES / "alexnet_from_python.ipynb"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
# The first cell of a notebook that is to be run quickly.
NARROW = """\
import numba
from alexnet.model import ARCHITECTURES
from tests.alexnet.narrow import NarrowAlexNet

numba.set_num_threads(1)
ARCHITECTURES["alexnet"] = NarrowAlexNet
"""


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


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_valid(notebook):
    """As nbformat 4.5 has it, and run from top to bottom."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    nbformat.validate(content)
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert content["metadata"]["language_info"] == {"name": "python"}
    for cell in content["cells"]:
        common = {"cell_type", "id", "metadata", "source"}
        own = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == common | own
    counts = [cell["execution_count"] for cell in cells("code", notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert notebook.stat().st_size < 400_000


def cells(kind, notebook=NOTEBOOK):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def test_the_notebook_on_the_python_api_runs(tmp_path):
    """From another folder, with a narrow network and a short training."""
    stored = nbformat.read(NOTEBOOK_ON_API, as_version=4)
    executed = copy.deepcopy(stored)
    executed.cells.insert(0, nbformat.v4.new_code_cell(NARROW))
    for cell in executed.cells:
        cell.source = cell.source.replace("epochs=5", "epochs=1, subset=64")
    with notebook_client(executed, tmp_path) as client:
        client.execute()
    for cell, again in zip(stored.cells, executed.cells[1:], strict=True):
        if cell.cell_type == "code":
            assert list(shown(again)) == list(shown(cell)), cell.source


def shown(cell):
    """What a cell shows: the kinds of its outputs, and what does not depend on the network."""
    for output in cell.outputs:
        if output.output_type == "stream":
            # stderr has the progress, of which there is more the longer it takes.
            if output.name == "stdout":
                yield {line.split()[0].strip("0123456789.%") for line in output.text.splitlines()}
        elif "image/png" in output.data or "text/html" in output.data:
            yield sorted(output.data)
        else:
            yield output.data["text/plain"]


def test_a_training_in_a_notebook_is_interrupted_and_continued(tmp_path):
    """By the interrupt of the notebook, not by Ctrl-C: the cell ends, and says how to go on."""
    fit = "network = alexnet.fit('photos', epochs=500, image_size=67, batch_size=4, out='run')"
    executed = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(code)
            for code in (
                NARROW,
                f"import alexnet\n{fit}",
                "len(network.metrics) < 500",
                "alexnet.fit(resume='run', epochs=2 + len(network.metrics), patience=1).metrics[0]",
            )
        ]
    )
    write_images(tmp_path / "photos")
    with notebook_client(executed, tmp_path) as client:
        interrupt = threading.Thread(target=interrupt_in_training, args=(client, tmp_path / "run"))
        interrupt.start()
        client.execute()
        interrupt.join()
    _, trained, less, continued = executed.cells
    said = "".join(output.text for output in trained.outputs if output.name == "stderr")
    assert said.endswith("interrupted; continue with: alexnet.fit(resume='run')\n")
    assert "it/s" not in said and "\r" not in said and "Warning" not in said
    assert less.outputs[0].data["text/plain"] == "True"
    assert continued.outputs[-1].data["text/plain"].startswith("{'epoch': 1,")


def interrupt_in_training(client, folder):
    while not (folder / "metrics.jsonl").exists():
        time.sleep(0.05)
    asyncio.run(client.km.interrupt_kernel())


@contextlib.contextmanager
def notebook_client(notebook, folder):
    """Runs a notebook in a folder, in a kernel of this interpreter that imports this project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(EXAMPLES.parent))
        yield nbclient.NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=300,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
