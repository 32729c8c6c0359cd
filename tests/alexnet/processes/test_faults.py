"""What happens to all processes when something goes wrong in one of them."""

import json

import pytest

from alexnet.run import checkpoint_files
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.options import COMMAND
from tests import mpi
from tests.alexnet.runs import OPTIONS, STEPS_PER_EPOCH, assert_same_run, resume

MODULE = "tests.alexnet.processes.disturbed_train"
# Of each of 2 processes, in the second epoch of two: its third step, and its first read image.
STEP = ("alexnet.training.trainer", "Trainer.step", STEPS_PER_EPOCH + 3)
READING = ("alexnet.data.loader", "RandomViews.view", 2 * STEPS_PER_EPOCH)
SAVE = ("alexnet.run.checkpoint_files", "save", 2)

UNEXPECTED = "raise RuntimeError('unexpected')"
DAMAGED = "from alexnet.errors import BadImage; raise BadImage('7.png: damaged')"
NOT_FINITE = """
def cross_entropy(logits, labels, *others, **options):
    return F.cross_entropy(logits, labels) * float("nan")

import types
from alexnet.training import loss
from minigrad import functional as F
globals()["F"] = F
loss.F = types.SimpleNamespace(cross_entropy=cross_entropy)
"""


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """The folder of a complete run of one process; tests only read it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert start(folder, "--accumulate", "2") == 0
    return folder


@pytest.fixture
def disturbed(run_module, photos, tmp_path):
    """Runs a training by 2 processes, of which something happens to one.

    Returns the exit code of mpiexec, and the lines on stderr that are about what happened.
    """

    def disturbed(rank, where, statement, *options):
        module, name, call = where
        happening = {"rank": rank, "module": module, "name": name, "call": call}
        process = run_module(
            *(2, MODULE, *OPTIONS, "--data-root", photos, "--out", tmp_path / "run", *options),
            DISTURBANCE=json.dumps({**happening, "statement": statement}),
        )
        lines = process.stderr.splitlines()
        begin = [line.startswith("On cpu") for line in lines].index(True) + 1
        return process.returncode, lines[begin:]

    return disturbed


@pytest.mark.parametrize(
    "rank, where, statement, code, message",
    [
        (1, READING, DAMAGED, 3, "error: rank 1: 7.png: damaged"),
        (1, STEP, NOT_FINITE, 5, "error: the training loss is nan in epoch 2, step 3"),
        (0, SAVE, "raise OSError(28, 'full')", 7, "error: rank 0: disk full: [Errno 28] full"),
    ],
    ids=["damaged-image", "not-finite", "disk-full"],
)
def test_a_fault_of_one_process_ends_all(
    disturbed, undisturbed, tmp_path, rank, where, statement, code, message
):
    returned, printed = disturbed(rank, where, statement)
    assert returned == code
    assert [line for line in printed if line.startswith("error: ")] == printed[:1]
    assert printed[0].startswith(message)
    checkpoint, warning = checkpoint_files.newest(tmp_path / "run")
    assert (checkpoint.training["epoch"], warning) == (1, None)
    assert resume(tmp_path / "run") == 0
    assert_same_run(tmp_path / "run", undisturbed)


def test_a_killed_process_ends_all(disturbed, undisturbed, tmp_path):
    code, printed = disturbed(1, STEP, "os.kill(os.getpid(), 9)")
    assert code not in range(8)  # 9, unless MPI notices it before mpiexec does
    assert not any("Traceback" in line for line in printed)
    assert resume(tmp_path / "run") == 0
    assert_same_run(tmp_path / "run", undisturbed)


def test_an_unexpected_error_is_shown_with_its_rank(disturbed):
    code, printed = disturbed(1, STEP, UNEXPECTED)
    assert code == 1
    assert printed[0] == "rank 1: Traceback (most recent call last):"
    assert "RuntimeError: unexpected" in printed
    assert sum("Traceback" in line for line in printed) == 1


def test_a_signal_to_one_process_stops_all_after_the_same_step(disturbed, undisturbed, tmp_path):
    folder = tmp_path / "run"
    code, printed = disturbed(1, STEP, "os.kill(os.getpid(), 15)")
    assert code == 128 + 15
    assert printed == [f"terminated; continue with: {COMMAND} --resume {folder}"]
    assert Checkpoint.load(folder / LAST).schedule["steps"] == STEPS_PER_EPOCH + 3
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--nonsense"], 2, "error: unrecognized arguments: --nonsense"),
        (["--data-root", "/no/such/folder"], 3, "error: rank 0: /no/such/folder: "),
    ],
    ids=["command", "data"],
)
def test_what_is_wrong_for_all_is_said_once(run_module, arguments, code, message):
    later = (0, "alexnet.training.data", "load_sets", 1, "import time; time.sleep(0.3)")
    disturbance = dict(zip(("rank", "module", "name", "call", "statement"), later))
    process = run_module(2, MODULE, *arguments, DISTURBANCE=json.dumps(disturbance))
    assert (process.returncode, process.stdout) == (code, "")
    errors = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith(message)


TERMINATED_EARLY = """
import os, signal, sys
from alexnet import train
from minigrad import distributed

def interrupted():
    if (os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
        signal.raise_signal(signal.SIGTERM)
    return world()

world, distributed.world = distributed.world, interrupted
sys.exit(train.main(["--dry-run"]))
"""


@mpi.needs_mpi
def test_a_signal_before_the_processes_are_connected_ends_all():
    """The others are in MPI's initialization, and would wait there for ever."""
    process = mpi.mpiexec(2, "-c", TERMINATED_EARLY)
    assert process.returncode in (15, 128 + 15)  # of MPICH, of Open MPI
