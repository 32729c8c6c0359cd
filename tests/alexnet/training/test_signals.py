"""SIGINT, SIGTERM and SIGHUP at every stage of a run, in processes of their own."""

import signal

import pytest

from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.options import COMMAND
from tests.alexnet.runs import STEPS_PER_EPOCH, assert_same_run, resume, run_signalled

INT, TERM, HUP = int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGHUP)
PREPARATION = ("alexnet.training.data", "color_statistics", 1)
STEP = ("alexnet.training.trainer", "Trainer.step", 2)
VALIDATION = ("alexnet.inference.evaluation", "judge", 1)
# Calls of fsync: two for run.json, and in the first epoch two for the metrics, six for the
# checkpoint and its names, two for the curves.
SAVE = ("alexnet.files", "os.fsync", 5)


def run(photos, folder, where, numbers):
    """Exit code and stderr of a run to which signals are sent."""
    result = run_signalled(photos, folder, where, numbers)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


@pytest.mark.parametrize(
    "number, code, how", [(INT, 130, "interrupted"), (TERM, 143, "terminated")]
)
def test_in_data_preparation_there_is_nothing_to_save(photos, tmp_path, number, code, how):
    returned, printed = run(photos, tmp_path / "run", PREPARATION, [number])
    assert returned == code
    assert printed.endswith(f"error: {how}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "number, where, steps, epochs",
    [
        (HUP, STEP, 2, 0),
        (TERM, VALIDATION, STEPS_PER_EPOCH, 0),
        (TERM, SAVE, STEPS_PER_EPOCH, 1),
    ],
    ids=["step", "validation", "save"],
)
def test_the_first_signal_ends_the_run_saved(
    photos, undisturbed, tmp_path, number, where, steps, epochs
):
    folder = tmp_path / "run"
    code, printed = run(photos, folder, where, [number])
    assert code == 128 + number
    assert "stopping after this step, to save it" in printed
    assert printed.endswith(f"terminated; continue with: {COMMAND} --resume {folder}\n")
    saved = Checkpoint.load(folder / LAST)
    assert (saved.schedule["steps"], saved.training["epoch"]) == (steps, epochs)
    assert [path.name for path in folder.iterdir() if "unfinished" in path.name] == []
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize(
    "numbers, code",
    [([INT, TERM], 143), ([TERM, INT], 130)],
    ids=["int-term", "term-int"],
)
def test_the_second_signal_ends_it_at_once(photos, tmp_path, numbers, code):
    returned, _ = run(photos, tmp_path / "run", STEP, numbers)
    assert returned == code
    assert not (tmp_path / "run" / LAST).exists()


def test_a_second_signal_in_a_save_keeps_the_old_checkpoint(photos, undisturbed, tmp_path):
    folder = tmp_path / "run"
    second_epoch = (*SAVE[:2], 15)
    code, printed = run(photos, folder, second_epoch, [TERM, TERM])
    assert code == 143
    assert printed.endswith("error: terminated\n")
    assert Checkpoint.load(folder / LAST).training["epoch"] == 1
    assert [path.name for path in folder.iterdir() if "unfinished" in path.name] == []
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)
