"""Layers that do not learn, and the other settings of a run, on the command line."""

import json

import numpy as np
import pytest

from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.runs import STEPS_PER_EPOCH, assert_same_run, resume

LEARNING = (
    *("--label-smoothing", "0.1", "--clip-grad-norm", "2", "--nesterov", "--freeze", "conv1,fc6"),
    *("--lr-schedule", "step", "--lr-milestones", "1"),
)


def parameters(folder):
    return Checkpoint.load(folder / LAST).model


def test_frozen_layers_stay_what_they_are(start, undisturbed, tmp_path):
    assert start(tmp_path / "run", "--init-from", str(undisturbed), "--freeze", "conv1,conv5") == 0
    before, after = parameters(undisturbed), parameters(tmp_path / "run")
    same = {name for name, array in after.items() if np.array_equal(array, before[name])}
    # Of the layers of the features, conv1 is number 0, and conv5 number 12.
    assert same == {
        f"features.{number}.{kind}" for number in (0, 12) for kind in ("weight", "bias")
    }


def test_a_run_may_be_thawed(start, narrow, tmp_path):
    folder = tmp_path / "run"
    assert start(folder, "--freeze", "conv1", "--epochs", "1") == 0
    before = parameters(folder)
    assert resume(folder, "--epochs", "2", "--freeze", "none") == 0
    assert not np.array_equal(parameters(folder)["features.0.weight"], before["features.0.weight"])
    run = json.loads((folder / "run.json").read_text())
    assert run["arguments"]["freeze"] is None


@pytest.mark.parametrize(
    "names, message",
    [
        (
            "conv9",
            "--freeze: the network has no layer 'conv9' with parameters; it has conv1, conv2",
        ),
        ("relu1", "no layer 'relu1' with parameters"),
        ("conv1,", "no layer '' with parameters"),
        (
            "conv1,conv2,conv3,conv4,conv5,fc6,fc7,fc8",
            "--freeze names all layers, so that nothing would learn",
        ),
    ],
)
def test_wrong_names(start, error_of, tmp_path, names, message):
    code, error = error_of(start, tmp_path / "run", "--freeze", names)
    assert code == 2 and message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("classes", [("--class-weights", "auto"), ("--sampling", "balanced")])
@pytest.mark.parametrize("step", [2, STEPS_PER_EPOCH + 1])
def test_stopped_and_continued_with_all_settings(start, narrow, tmp_path, step, classes):
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "run"
    assert start(undisturbed, *LEARNING, *classes) == 0
    assert start(folder, *LEARNING, *classes, "--max-steps", str(step)) == 0
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_weights_of_classes_from_a_file(start, error_of, tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("red,2\ngreen,1\nblue,0.5\n")
    assert start(tmp_path / "run", "--class-weights", str(file), "--epochs", "1") == 0
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["arguments"]["class_weights"] == {"red": 2, "green": 1, "blue": 0.5}
    file.write_text("red,2\ngreen,1\n")
    code, error = error_of(start, tmp_path / "other", "--class-weights", str(file))
    assert (code, error) == (2, "--class-weights has no weight of 'blue'")
    assert not (tmp_path / "other").exists()


def test_what_ends_where_a_run_is_continued(start, narrow, tmp_path, capsys):
    folder, options = tmp_path / "run", ("--ema", "0.5", "--clip-grad-norm", "1")
    assert start(folder, *options, "--class-weights", "auto", "--epochs", "1") == 0
    none = ("--ema", "none", "--clip-grad-norm", "none", "--class-weights", "none")
    capsys.readouterr()
    assert resume(folder, "--epochs", "2", *none) == 0
    err = capsys.readouterr().err
    assert "changed   ema: 0.5 before, None now" in err
    run = json.loads((folder / "run.json").read_text())
    changed = run["starts"][-1]["changed"]
    assert changed.keys() == {"epochs", "ema", "clip_grad_norm", "class_weights"}
    assert not any(name.startswith("own.") for name in Checkpoint.load(folder / LAST).optimizer)


def test_settings_that_are_younger_than_the_run_have_not_changed(start, narrow, tmp_path, capsys):
    folder = tmp_path / "run"
    assert start(folder, "--max-steps", "2") == 0
    checkpoint = Checkpoint.load(folder / LAST)
    for name in ("nesterov", "label_smoothing", "sampling", "ema", "lr_milestones"):
        del checkpoint.arguments[name]
    for path in folder.glob("*.safetensors"):
        path.unlink()
    checkpoint.save(folder / LAST)
    capsys.readouterr()
    assert resume(folder) == 0
    assert "changed " not in capsys.readouterr().err


def test_wrong_weights_of_classes_leave_a_run_as_it_is(start, error_of, tmp_path):
    folder, file = tmp_path / "run", tmp_path / "weights.csv"
    assert start(folder, "--keep", "3") == 0
    file.write_text("red,2\n")
    before = sorted(folder.iterdir())
    first = min(folder.glob("step-*.safetensors"))
    code, _ = error_of(resume, first, "--class-weights", str(file))
    assert code == 2 and sorted(folder.iterdir()) == before
