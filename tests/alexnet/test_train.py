"""``python -m alexnet.train``: what a run leaves, its exit codes, and runs that are stopped."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from PIL import Image

from alexnet import building, run_folder, train
from alexnet.checkpoint import BEST, LAST, Checkpoint
from alexnet.data.loader import Loader
from alexnet.metrics import TIMING_COLUMNS
from alexnet.model import ARCHITECTURES, AlexNet
from alexnet.settings import COMMAND
from alexnet.trainer import Trainer
from minigrad import io

ROOT = Path(__file__).parents[2]
CLASSES = ("blue", "green", "red")
OPTIONS = ("--data", "folder", "--image-size", "67", "-b", "4", "--epochs", "2")
STEPS_PER_EPOCH = 5  # 8 images a class, of which 6 are to learn from


class NarrowAlexNet(AlexNet):
    """A tenth of the channels: all that a command does, in a hundredth of the time."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)


def write_images(root, classes=CLASSES, count=8):
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 90, (80, 75 + i, 3), np.uint8)
            pixels[:, :, CLASSES[::-1].index(name)] += 120
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def narrow():
    """Networks that are trained in this process are narrow ones, for which one thread will do."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
        yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def start(narrow, photos):
    """Runs the command for a new run in a folder."""

    def start(folder, *options):
        return train.main([*OPTIONS, "--data-root", str(photos), "--out", str(folder), *options])

    return start


def resume(folder, *options):
    return train.main(["--resume", str(folder), *options])


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """The folder of a complete run; tests only read it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert start(folder) == 0
    return folder


@pytest.fixture
def stopped(start, tmp_path):
    """The folder of a run that was stopped in its second epoch."""
    folder = tmp_path / "stopped"
    assert start(folder, "--max-steps", str(STEPS_PER_EPOCH + 1)) == 0
    return folder


@pytest.fixture
def error_of(capfd):
    """Runs something that fails and returns its exit code and its one line about the error."""

    def error_of(run, *arguments):
        capfd.readouterr()
        code = run(*arguments)
        lines = capfd.readouterr().err.splitlines()
        assert not any("Traceback" in line for line in lines)
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        return code, lines[-1].removeprefix("error: ")

    return error_of


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in TIMING_COLUMNS} for row in rows]


def assert_same_run(folder, other):
    """The same weights, optimizer state and metrics, bit for bit."""
    for name in (LAST, BEST):
        one, two = (io.load(path / name)[0] for path in (folder, other))
        assert one.keys() == two.keys()
        for array in one:
            assert one[array].tobytes() == two[array].tobytes(), (name, array)
    assert rows_of(folder) == rows_of(other)


# What a run leaves


@pytest.fixture(scope="module")
def full_run(photos, tmp_path_factory):
    """The real command with the full network: its folder and its output."""
    folder = tmp_path_factory.mktemp("full") / "run"
    command = [sys.executable, "-m", "alexnet.train", *OPTIONS, "--data-root", photos]
    command += ["--out", folder]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    yield folder, result
    for path in folder.glob("*.safetensors"):  # pytest keeps the folders of three sessions
        path.unlink()


def test_output(full_run):
    folder, result = full_run
    assert result.returncode == 0, result.stderr
    first, second, best = result.stdout.splitlines()
    assert first.startswith("epoch 1/2: loss ")
    assert second.startswith("epoch 2/2: loss ")
    assert best.startswith("best top-1 ")
    assert best.endswith(str(folder))
    assert "data      folder: 3 classes, 18 images to learn from, 6 for validation" in result.stderr
    assert "network   alexnet: 20,180,355 parameters, images of 67x67" in result.stderr
    assert f"folder    {folder}" in result.stderr
    assert "rror" not in result.stderr
    assert "arning" not in result.stderr


def test_files_of_a_run(full_run, photos):
    folder, _ = full_run
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".gitignore", ".lock", "best.safetensors", "last.safetensors"),
        *("metrics.csv", "metrics.jsonl", "run.json"),
        *("step-00000005.safetensors", "step-00000010.safetensors", "training_curves.png"),
    ]
    assert (folder / ".gitignore").read_text() == "*\n"
    with Image.open(folder / "training_curves.png") as image:
        image.load()
        assert min(image.size) > 300
    run = json.loads((folder / "run.json").read_text())
    assert run.keys() == {"arguments", "starts"}
    (first,) = run["starts"]
    assert first.keys() == {"time", "after_step", "changed", "versions", "machine"}
    assert first["versions"]["numpy"] == np.__version__
    assert (first["after_step"], first["changed"]) == (0, {})
    assert run["arguments"]["data_root"] == str(photos)
    assert (run["arguments"]["batch_size"], run["arguments"]["seed"]) == (4, 0)
    last = Checkpoint.load(folder / LAST)
    assert last.arguments == run["arguments"]
    assert last.classes == list(CLASSES)
    assert last.preprocessing.image_size == 67
    assert last.training["epoch"] == 2
    assert sum(array.size for array in last.model.values()) == 20_180_355
    assert [row["epoch"] for row in rows_of(folder)] == [1, 2]


def test_the_same_command_twice_gives_the_same_run(start, undisturbed, tmp_path):
    assert start(tmp_path / "again", "--workers", "0") == 0
    assert_same_run(tmp_path / "again", undisturbed)
    assert start(tmp_path / "other", "--seed", "1") == 0
    assert rows_of(tmp_path / "other") != rows_of(undisturbed)


def test_the_seed_decides_the_order_of_the_images_too(start, tmp_path, monkeypatch):
    seeds = []

    def loader(*arguments, **options):
        seeds.append(options.get("seed"))
        return Loader(*arguments, **options)

    monkeypatch.setattr(building, "Loader", loader)
    assert start(tmp_path / "run", "--seed", "7", "--max-steps", "1") == 0
    assert seeds == [7, None]  # validation has no order of its own


def test_folders_are_numbered(narrow, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert train.main([*OPTIONS, "--data-root", str(photos), "--max-steps", "1"]) == 0
        folder = tmp_path / "runs" / f"folder-alexnet-{number}"
        assert Checkpoint.load(folder / LAST).schedule["steps"] == 1


def test_a_folder_that_has_a_gitignore_keeps_it(start, tmp_path):
    (tmp_path / ".gitignore").write_text("build/\n")
    assert start(tmp_path, "--max-steps", "1") == 0
    assert (tmp_path / ".gitignore").read_text() == "build/\n"


def test_data_are_recognized_and_small_images_get_a_small_network(narrow, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(path)
    folder = tmp_path / "run"
    command = ["--data-root", str(tmp_path / "photos"), "--max-steps", "1", "--out", str(folder)]
    assert train.main(command) == 0
    assert "data      folder: 2 classes" in capsys.readouterr().err
    kept = Checkpoint.load(folder / LAST)
    assert kept.arguments["data"] == "folder"
    assert kept.arguments["image_size"] == kept.preprocessing.image_size == 115


def test_mean_image_and_forms_of_augmentation(narrow, photos, tmp_path):
    folder = tmp_path / "run"
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(folder), "--mean", "image"]
    command += ["--augmentation", "resized", "--color-noise", "pytorch", "--scale", "0.5"]
    assert train.main([*command, "--max-steps", "2"]) == 0
    kept = Checkpoint.load(folder / LAST).preprocessing
    assert kept.mean_image.shape == (3, 67, 67)
    assert kept.scale == 0.5
    # Means of noise around 45 grey levels, with 120 more in one of three classes.
    assert kept.mean_image.mean() == pytest.approx(45 + 120 / 3, abs=2)
    assert kept.mean_image.std() > 1
    assert resume(folder, "--max-steps", "7") == 0
    assert np.array_equal(Checkpoint.load(folder / LAST).preprocessing.mean_image, kept.mean_image)


@pytest.mark.parametrize(
    "options, expected",
    [
        ([], {"crop": "random", "flip": True, "color_noise_form": "2012", "color_noise": 0.1}),
        (["--augmentation", "none"], {"crop": "center", "flip": False}),
        (["--augmentation", "resized"], {"crop": "resized", "flip": True}),
        (["--color-noise", "paper"], {"color_noise_form": "paper", "color_noise": 0.1}),
        (["--color-noise", "none"], {"color_noise": 0.0}),
    ],
)
def test_augmentation_is_what_the_options_say(
    narrow, photos, tmp_path, monkeypatch, options, expected
):
    made = []
    monkeypatch.setattr(
        building, "Loader", lambda *a, **k: made.append(Loader(*a, **k)) or made[-1]
    )
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(tmp_path / "run")]
    assert train.main([*command, "--max-steps", "1", *options]) == 0
    of_training, of_validation = (loader.augmentation for loader in made)
    assert {name: getattr(of_training, name) for name in expected} == expected
    assert of_validation is None


@pytest.fixture
def photos_with_damage(tmp_path):
    photos = write_images(tmp_path / "photos", count=4)
    (photos / "red" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (photos / "red" / "notes.txt").write_text("no image")
    (photos / "nothing").mkdir()
    with Image.open(photos / "red" / "0.png") as image:
        image.convert("CMYK").save(photos / "red" / "print.jpg")
        image.convert("P").save(photos / "red" / "palette.png")
        image.save(photos / "red" / "animation.gif")
    return photos


def test_a_bad_image_is_an_error(narrow, photos_with_damage, tmp_path, error_of):
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    code, message = error_of(train.main, command)
    assert code == 3
    assert "cut.jpg: not an image" in message
    assert "--bad-images skip" in message


def test_bad_images_are_named_and_the_others_used(
    narrow, photos_with_damage, tmp_path, caplog, capsys
):
    caplog.set_level(logging.WARNING, "alexnet.data")
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    command += ["--bad-images", "skip", "--epochs", "1"]
    assert train.main(command) == 0
    assert "3 classes, 12 images to learn from, 4 for validation" in capsys.readouterr().err
    named = [record.getMessage() for record in caplog.records]
    assert len(named) == 3
    for message, name in zip(named, ("class nothing", "notes.txt", "cut.jpg"), strict=True):
        assert name in message
    (line,) = (tmp_path / "run" / "bad_images.txt").read_text().splitlines()
    assert "cut.jpg: not an image" in line


def test_too_many_bad_images(narrow, photos_with_damage, tmp_path, error_of):
    command = [*OPTIONS, "--data-root", str(photos_with_damage), "--out", str(tmp_path / "run")]
    command += ["--bad-images", "skip", "--max-bad-images", "0"]
    code, message = error_of(train.main, command)
    assert code == 3
    assert "more than --max-bad-images 0" in message


# Errors


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--data", "mnist"], "argument --data: invalid choice: 'mnist'"),
        (["--arch", "vgg"], "argument --arch: invalid choice"),
        (["--recipe", "mine"], "argument --recipe: invalid choice"),
        (["--backend", "tpu"], "argument --backend: invalid choice"),
        (["--epoch", "2"], "unrecognized arguments: --epoch 2"),
        (["photos"], "unrecognized arguments: photos"),
        (["--precision", "tf32"], "--precision tf32 is for --backend cuda"),
        (["--epochs"], "expected one argument"),
        (["--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["--epochs", "1.5"], "'1.5' is not a whole number of at least 1"),
        (["--epochs", "1" + 400 * "0"], "is not a whole number of at least 1"),
        (["-b", "-4"], "'-4' is not a whole number of at least 1"),
        (["-b", "many"], "'many' is not a whole number of at least 1"),
        (["--workers", "-1"], "'-1' is not a whole number of at least 0"),
        (["--lr", "0"], "'0' is not a number above 0"),
        (["--lr", "nan"], "'nan' is not a number above 0"),
        (["--lr", "inf"], "'inf' is not a number above 0"),
        (["--lr", "1e999"], "'1e999' is not a number above 0"),
        (["--weight-decay", "-1"], "'-1' is not a number of at least 0"),
        (["--momentum", "1"], "'1' is not a number from 0 to below 1"),
        (["--dropout", "1"], "'1' is not a number from 0 to below 1"),
        (["--seed", "-1"], "'-1' is not a whole number from 0 to 2^63 - 1"),
        (["--seed", str(2**63)], "is not a whole number from 0 to 2^63 - 1"),
        (["--max-time", "2"], "'2' is not a time like 2h30m"),
        (["--max-time", "0s"], "'0s' is not a time like 2h30m"),
        (["--lr-step", "3"], "--lr-step is for --lr-schedule step, not cosine"),
        (["--lr-gamma", "1"], "'1' is not a number between 0 and 1"),
        (["--lr-gamma", "0.5"], "--lr-gamma is for --lr-schedule step or plateau, not cosine"),
        (["--accumulate", "33"], "--accumulate 33 is more than the 32 images of a batch"),
        (["--max-steps", "0"], "'0' is not a whole number of at least 1"),
        (["--resume", "a", "--out", "b"], "--resume continues in the run's own folder"),
    ],
)
def test_wrong_use(error_of, options, expected):
    code, message = error_of(train.main, options)
    assert code == 2
    assert expected in message


def test_an_image_size_too_small_for_the_network(start, error_of, tmp_path):
    code, message = error_of(start, tmp_path / "run", "--image-size", "66")
    assert (code, message) == (2, "NarrowAlexNet: image_size must be at least 67, got 66")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(start, error_of, undisturbed):
    before = (undisturbed / LAST).read_bytes()
    code, message = error_of(start, undisturbed)
    assert code == 2
    assert f"already holds a run: continue it with --resume {undisturbed}" in message
    assert (undisturbed / LAST).read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        *(("--batch-size", "8"), ("--seed", "3"), ("--optimizer", "adam"), ("--mean", "image")),
        *(("--image-size", "99"), ("--subset", "10"), ("--init", "paper"), ("--data", "demo")),
    ],
)
def test_a_continued_run_keeps_its_options(error_of, undisturbed, changed):
    code, message = error_of(resume, undisturbed, *changed)
    assert code == 2
    assert f"{' '.join(changed)} cannot be changed by --resume: the run has " in message


def test_a_continued_run_may_repeat_its_options(narrow, photos, stopped):
    assert resume(stopped, *OPTIONS, "--data-root", str(photos), "--lr", "0.01", "-j", "1") == 0


def test_data_that_are_not_there(narrow, error_of, tmp_path):
    code, message = error_of(train.main, ["--data", "folder", "--data-root", str(tmp_path / "no")])
    assert code == 3
    assert f"{tmp_path / 'no'}: no such folder" in message
    for name in ("folder", "cifar10"):
        code, message = error_of(train.main, ["--data", name])
        assert code == 3
        assert "give --data-root DIR" in message


@pytest.mark.parametrize(
    "classes, count, expected",
    [
        (["red"], 8, "1 class(es) with images, but at least 2 are needed"),
        (["red", "blue"], 1, "no image is left for validation"),
    ],
)
def test_too_few_data(narrow, error_of, tmp_path, classes, count, expected):
    photos = write_images(tmp_path / "photos", classes, count)
    command = ["--data", "folder", "--data-root", str(photos), "--out", str(tmp_path / "run")]
    code, message = error_of(train.main, command)
    assert code == 3
    assert expected in message
    assert not (tmp_path / "run").exists()


def test_a_subset_larger_than_the_data(start, error_of, tmp_path):
    code, message = error_of(start, tmp_path / "run", "--subset", "19")
    assert code == 3
    assert "cannot take a subset of 19 images: the training set has 18" in message


def test_a_missing_checkpoint(error_of, tmp_path):
    for path in (tmp_path / "no", tmp_path / "no" / LAST):
        code, message = error_of(resume, path)
        assert code == 4
        assert message.endswith("does not exist")
    assert error_of(resume, tmp_path) == (4, f"{tmp_path} holds no checkpoint to continue from")
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_its_best_network_only(narrow, stopped):
    """Killed between the two files of its first save."""
    (stopped / LAST).rename(stopped / BEST)
    assert resume(stopped) == 0
    assert (stopped / LAST).exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "arguments"])
def test_a_damaged_checkpoint(narrow, error_of, stopped, damage):
    path = stopped / LAST
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-1])
    elif damage == "flipped":
        path.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 64]) + whole[-999:])
    elif damage == "text":
        path.write_text("no checkpoint")
    else:
        checkpoint = Checkpoint.load(path)
        del checkpoint.arguments["batch_size"]
        checkpoint.save(path)
    code, message = error_of(resume, path)
    assert code == 4
    assert "checkpoint" in message or "checksum" in message


def test_a_checkpoint_of_other_classes(narrow, error_of, stopped, tmp_path):
    fewer = write_images(tmp_path / "fewer", CLASSES[:2], count=2)
    code, message = error_of(resume, stopped, "--data-root", str(fewer))
    assert (code, message) == (4, "the checkpoint has 3 classes, the data have 2")
    (fewer / "yellow").mkdir()
    for path in (fewer / "green").iterdir():
        (fewer / "yellow" / path.name).write_bytes(path.read_bytes())
    code, message = error_of(resume, stopped, "--data-root", str(fewer))
    assert (code, message) == (4, "class 2 is 'red' in the checkpoint and 'yellow' in the data")


def test_a_checkpoint_of_another_network(narrow, error_of, stopped):
    code, message = error_of(resume, stopped, "--arch", "owt")
    assert (code, message) == (4, "the checkpoint holds the network 'alexnet', not 'owt'")


def test_table_of_updates(start, tmp_path, capfd):
    assert start(tmp_path / "run", "--watch-every", "4", "--max-steps", "5") == 0
    error = capfd.readouterr().err
    assert error.count("mean |update|") == 1
    assert "step 4, lr " in error
    assert "warning" not in error
    assert (tmp_path / "run" / LAST).exists()


def test_diverged(start, error_of, tmp_path):
    folder = tmp_path / "run"
    code, message = error_of(start, folder, "--lr", "1e6", "--lr-schedule", "constant")
    assert code == 5
    assert "loss is" in message
    assert message.endswith("try a smaller --lr")
    assert not (folder / LAST).exists()
    # Nothing was learnt, so the folder can be used again.
    assert start(folder, "--max-steps", "1") == 0


def test_diverged_after_a_checkpoint(narrow, error_of, stopped, monkeypatch):
    before = (stopped / LAST).read_bytes()

    def spoil(trainer, batch):
        trainer.model.features[0].weight.data[...] = np.nan
        return step(trainer, batch)

    step = Trainer._step
    monkeypatch.setattr(Trainer, "_step", spoil)
    code, message = error_of(resume, stopped)
    assert code == 5
    assert message == (
        "the training loss is nan in epoch 2, step 2: 3,630 of the 3,630 weights of features.0 "
        "(Conv2d) are not finite since the last update: try a smaller --lr; "
        f"{stopped / LAST} is from before"
    )
    assert (stopped / LAST).read_bytes() == before


def test_a_folder_that_cannot_be_made(start, error_of, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        code, message = error_of(start, folder)
        assert code == 7
        assert str(folder) in message


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_full_disk(start, undisturbed, error_of, tmp_path, monkeypatch, epoch):
    saves = 0

    def full(source, target):
        nonlocal saves
        saves += target.name == (BEST if epoch == 1 else LAST)
        if saves == epoch:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.rename(source, target)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("minigrad.files.os.replace", full)
        code, message = error_of(start, folder)
    assert code == 7
    assert message.startswith("disk full: [Errno 28]")
    if epoch == 1:  # nothing to continue: the same command again
        assert start(folder) == 0
    else:
        assert Checkpoint.load(folder / LAST).training["epoch"] == 1
        assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_cuda_without_cupy(start, error_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    # Said before the data are looked at, which may take long.
    options = ("--backend", "cuda", "--data-root", str(tmp_path / "no"))
    code, message = error_of(start, tmp_path / "run", *options)
    assert code == 8
    assert "backend 'cuda' needs CuPy, which is not installed" in message
    assert not (tmp_path / "run").exists()


# Runs that continue others


def test_changed_options_are_told_and_recorded(narrow, stopped, capsys):
    assert resume(stopped, "--lr", "0.005", "--keep", "0", "--save-every", "2") == 0
    printed = capsys.readouterr().err
    assert "changed   lr: 0.01 before, 0.005 now" in printed
    run = json.loads((stopped / "run.json").read_text())
    assert [start["after_step"] for start in run["starts"]] == [0, STEPS_PER_EPOCH + 1]
    changed = {"lr": [0.01, 0.005], "keep": [1, 0], "save_every": [None, 2]}
    assert run["starts"][1]["changed"] == changed
    assert run["arguments"]["lr"] == 0.005
    assert len(list(stopped.glob("step-*"))) == 1


def test_a_damaged_last_checkpoint_costs_some_steps(start, undisturbed, tmp_path, capsys):
    folder = tmp_path / "run"
    assert start(folder, "--save-every", "2", "--max-steps", "9") == 0
    (folder / LAST).write_bytes(b"")
    capsys.readouterr()
    assert resume(folder) == 0
    printed = capsys.readouterr().err
    assert printed.count("warning: ") == 1
    assert f"{folder / LAST} is not a readable checkpoint" in printed
    assert "; continuing from step-00000008.safetensors\n" in printed
    assert_same_run(folder, undisturbed)


def test_resume_auto(start, tmp_path, monkeypatch, error_of):
    monkeypatch.chdir(tmp_path)
    assert error_of(resume, "auto") == (2, "--resume auto: no run below runs can be continued")
    for number, steps in enumerate((3, 4, 100)):  # the newest is complete
        assert start(tmp_path / "runs" / str(number), "--max-steps", str(steps)) == 0
    assert resume("auto", "--max-steps", "6") == 0
    assert Checkpoint.load(tmp_path / "runs" / "1" / LAST).schedule["steps"] == 6


def test_a_run_in_use(start, stopped, error_of, tmp_path):
    with run_folder.locked(stopped):
        code, message = error_of(resume, stopped)
        assert (code, message.partition(":")[0]) == (2, f"{stopped} is in use by another run")
    (tmp_path / "new").mkdir()
    with run_folder.locked(tmp_path / "new"):
        assert error_of(start, tmp_path / "new")[0] == 2


def test_data_that_have_changed(narrow, photos, stopped, tmp_path, error_of):
    other = write_images(tmp_path / "other", count=9)
    code, message = error_of(resume, stopped, "--data-root", str(other))
    assert code == 4
    assert "the training set has changed since the run began: it had 18 images and has" in message


def test_weights_that_are_not_finite_are_never_saved(start, tmp_path, monkeypatch, error_of):
    def spoil(trainer, batch):
        result = step(trainer, batch)
        if trainer.schedule.steps == 3:
            trainer.model.features[0].weight.data[0] = np.nan
        return result

    step = Trainer._step
    monkeypatch.setattr(Trainer, "_step", spoil)
    for options in (("--max-steps", "3"), ("--save-every", "3")):
        folder = tmp_path / options[0]
        code, message = error_of(start, folder, *options)
        assert code == 5
        assert message.startswith("features.0.weight is not finite after 0 epochs and 3 steps")
        assert not (folder / LAST).exists()


def test_fine_tuning(start, undisturbed, tmp_path, capfd, error_of):
    pairs = write_images(tmp_path / "pairs", CLASSES[:2], count=6)
    options = ("--init-from", str(undisturbed), "--data-root", str(pairs), "--max-steps", "1")
    common = ("--data", "folder", "-b", "4", "--lr", "1e-9")
    folder = tmp_path / "pairs-run"
    assert train.main([*common, "--out", str(folder), *options]) == 0
    printed = capfd.readouterr().err
    assert "14 of 16 parameters taken; " in printed
    best, first = Checkpoint.load(undisturbed / BEST), Checkpoint.load(folder / LAST)
    assert first.preprocessing == best.preprocessing
    began_anew = set()
    for name, array in best.model.items():
        if array.shape == first.model[name].shape:
            assert np.allclose(first.model[name], array, atol=1e-6), name
        else:
            began_anew.add(first.model[name].shape[0])
            assert name in printed
    assert began_anew == {2}
    assert start(tmp_path / "same", "--init-from", str(undisturbed), "--max-steps", "1") == 0
    assert "16 of 16 parameters taken\n" in capfd.readouterr().err
    for wrong in (("--arch", "owt"), ("--image-size", "99"), ("--scale", "0.5")):
        code, message = error_of(train.main, [*common, *options, *wrong])
        assert code == 2
        assert f"{' '.join(wrong)} does not go with --init-from: the checkpoint has " in message


# Runs that are stopped


@pytest.mark.parametrize("step", [1, 4, 5, 6, 9])
def test_stopped_by_max_steps_and_continued(start, undisturbed, tmp_path, capsys, step):
    folder = tmp_path / "run"
    assert start(folder, "--max-steps", str(step)) == 0
    printed = capsys.readouterr().out
    assert f"stopped after step {step}; continue with: " in printed
    assert printed.endswith(f"--resume {folder}\n")
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_continued_for_more_epochs(narrow, stopped):
    assert resume(stopped, "--epochs", "3") == 0
    assert [row["epoch"] for row in rows_of(stopped)] == [1, 2, 3]
    run = json.loads((stopped / "run.json").read_text())
    assert run["arguments"]["epochs"] == 3


def test_a_complete_run_has_nothing_to_continue(narrow, stopped, capsys):
    assert resume(stopped) == 0
    before = (stopped / LAST).read_bytes(), (stopped / "metrics.csv").read_bytes()
    assert resume(stopped / LAST) == 0
    assert ((stopped / LAST).read_bytes(), (stopped / "metrics.csv").read_bytes()) == before
    assert "best top-1 " in capsys.readouterr().out


@pytest.fixture
def signal_in_step(monkeypatch):
    """Sends this process Ctrl-C in the middle of a step."""

    def signal_in_step(number, times=1):
        def interrupted(trainer, batch):
            if trainer.schedule.steps + 1 == number:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return step(trainer, batch)

        monkeypatch.setattr(Trainer, "_step", interrupted)

    step = Trainer._step
    return signal_in_step


@pytest.mark.parametrize("step", [2, 5, 7])
def test_ctrl_c_finishes_the_step(start, undisturbed, tmp_path, capfd, signal_in_step, step):
    folder, before = tmp_path / "run", signal.getsignal(signal.SIGINT)
    signal_in_step(step)
    assert start(folder) == 130
    assert signal.getsignal(signal.SIGINT) is before
    printed = capfd.readouterr().err
    assert "stopping after this step, to save it" in printed
    assert printed.endswith(f"interrupted; continue with: {COMMAND} --resume {folder}\n")
    assert Checkpoint.load(folder / LAST).schedule["steps"] == step
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_ctrl_c_twice_stops_at_once(start, undisturbed, tmp_path, error_of, signal_in_step):
    folder = tmp_path / "run"
    signal_in_step(STEPS_PER_EPOCH + 2, times=2)
    assert error_of(start, folder) == (130, "interrupted")
    assert Checkpoint.load(folder / LAST).training["epoch"] == 1
    signal_in_step(0)  # never
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


KILL = """\
import os, signal, sys
import numba
from tests.alexnet.test_train import ARCHITECTURES, NarrowAlexNet, train
import {module} as module

numba.set_num_threads(1)
ARCHITECTURES["alexnet"] = NarrowAlexNet
calls = 0

def killed(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

original, module.{name} = module.{name}, killed
sys.exit(train.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "module, name, call",
    [
        ("alexnet.trainer", "Trainer._step", STEPS_PER_EPOCH + 3),
        # The first two are for run.json; each epoch has two for the metrics and six or four
        # for its checkpoint, two for the curves.
        ("minigrad.files", "os.fsync", 16),
        ("minigrad.files", "os.replace", 6),
    ],
)
def test_killed_and_continued(photos, narrow, undisturbed, tmp_path, module, name, call):
    folder = tmp_path / "run"
    script = KILL.format(module=module, name=name, call=call)
    command = [*OPTIONS, "--data-root", photos, "--out", folder]
    result = subprocess.run([sys.executable, "-c", script, *command], cwd=ROOT, check=False)
    assert result.returncode == -signal.SIGKILL
    assert Checkpoint.load(folder / LAST).training["epoch"] == 1
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)
    assert [path.name for path in folder.iterdir() if "tmp" in path.name] == []


def test_ctrl_c_in_a_process_of_its_own(photos, tmp_path, monkeypatch):
    """As a user does it, with the full network; a thousand epochs cannot end before the signal."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "alexnet.train", *OPTIONS, "--epochs", "1000"]
    command += ["--data-root", photos, "--out", folder]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate()
    assert first.startswith("epoch    1/1000: ")
    assert process.returncode == 130
    assert printed.endswith(f"interrupted; continue with: {COMMAND} --resume {folder}\n")
    steps = Checkpoint.load(folder / LAST).schedule["steps"]
    assert steps >= STEPS_PER_EPOCH
    monkeypatch.setitem(ARCHITECTURES, "alexnet", AlexNet)
    assert resume(folder, "--max-steps", str(steps + 1)) == 0
    assert Checkpoint.load(folder / LAST).schedule["steps"] == steps + 1
    for path in folder.glob("*.safetensors"):
        path.unlink()
