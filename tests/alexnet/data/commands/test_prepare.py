"""`alexnet.data prepare`: the same training, interruptions, and what it refuses."""

import builtins
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet import files
from alexnet.data import load
from alexnet.data.__main__ import main
from alexnet.data.bad_images import Skipping
from alexnet.data.commands import prepare, shard_writer
from alexnet.data.commands.prepare import reduced
from alexnet.data.readers import shards
from alexnet.data.statistics import color_statistics, mean_image
from alexnet.data.transforms import Augmentation, Preprocessing, RandomViews, central_view
from alexnet.errors import DataError

ROOT = Path(__file__).parents[4]


def write_images(root, shapes, suffix=".jpg", counts=(("train", 2), ("val", 1))):
    """Images (height, width) of smooth noise, all shapes in both of two classes."""
    rng = np.random.default_rng(0)
    for split, count in counts:
        for name in ("ant", "bee"):
            (root / split / name).mkdir(parents=True)
            for i, (height, width) in enumerate(shapes * count):
                coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
                image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
                image.save(root / split / name / f"{i:03}{suffix}")


@pytest.fixture
def source(tmp_path):
    write_images(tmp_path / "source", [(40, 30), (12, 20), (30, 30)])
    return tmp_path / "source"


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_BYTES", 3000)


def run(source, destination, *options):
    return main(["prepare", str(source), str(destination), "--size", "24", *options])


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def require_same_views(before, after, image_size, resize, exact=True):
    settings = {"image_size": image_size, "resize": resize, "mean": (0, 0, 0)}
    preprocessing = Preprocessing(**settings, standard_deviations=(9, 5, 2))
    assert before.keys() == after.keys()
    for split in before:
        assert len(before[split]) == len(after[split])
        assert before[split].labels.tolist() == after[split].labels.tolist()
        for i in range(len(before[split])):
            image, prepared = before[split].image(i, resize), after[split].image(i, resize)
            views = [
                (
                    central_view(pixels, preprocessing),
                    RandomViews(preprocessing, Augmentation(), 3, 1, [i]).view(0, pixels),
                )
                for pixels in (image, prepared)
            ]
            for one, other in zip(*views):
                assert one.flip == other.flip
                assert one.color_shift.tolist() == other.color_shift.tolist()
                if exact:
                    assert np.array_equal(one.crop, other.crop)
                else:
                    difference = np.abs(one.crop.astype(int) - other.crop)
                    assert difference.mean() < 3


# The decoder may read the second one at half its size.
SHAPES = [(300, 400), (600, 530), (256, 256), (100, 180), (255, 40)]


def test_same_views_of_jpegs(tmp_path):
    write_images(tmp_path / "source", SHAPES, counts=(("train", 1), ("val", 1)))
    assert main(["prepare", str(tmp_path / "source"), str(tmp_path / "new")]) == 0
    before, after = load("auto", tmp_path / "source"), load("auto", tmp_path / "new")
    require_same_views(before, after, 227, 256)
    train = after["train"]
    assert [train.image(i).shape[:2] for i in range(5)] == [
        (s, s) for s in (256, 256, 256, 100, 40)
    ]
    expected = mean_image(before["train"], 256)
    assert expected.dtype == train.mean_image.dtype == np.float32
    assert np.array_equal(train.mean_image, expected)
    statistics = json.loads((tmp_path / "new" / "dataset.json").read_bytes())["statistics"]
    expected_statistics = color_statistics(before["train"])
    assert statistics == json.loads(json.dumps(expected_statistics._asdict()))


def test_same_views_of_small_images_at_any_size(tmp_path):
    write_images(tmp_path / "source", [(32, 32), (64, 40), (30, 100), (255, 255)], ".png")
    assert main(["prepare", str(tmp_path / "source"), str(tmp_path / "new")]) == 0
    before, after = load("auto", tmp_path / "source"), load("auto", tmp_path / "new")
    for image_size, resize in ((115, 130), (28, 32), (14, 16), (227, 256)):
        require_same_views(before, after, image_size, resize)


def test_same_views_of_the_demo_set(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "alexnet.data.readers.demo.DemoDataset.counts", {"train": 12, "validation": 5}
    )
    assert main(["prepare", "demo", str(tmp_path), "--data", "demo", "--seed", "7"]) == 0
    before, after = load("demo", seed=7), load("auto", tmp_path)
    require_same_views(before, after, 227, 256)
    assert np.array_equal(after["train"].image(5), before["train"].image(5))


def test_set_without_an_image(tmp_path):
    """A class of one image has none for validation."""
    for name in ("ant", "bee"):
        (tmp_path / "source" / name).mkdir(parents=True)
        Image.new("RGB", (30, 30)).save(tmp_path / "source" / name / "1.png")
    assert run(tmp_path / "source", tmp_path / "new") == 0
    after = load("auto", tmp_path / "new")
    assert (len(after["train"]), len(after["validation"])) == (2, 0)
    assert after["validation"].labels.shape == (0,)


def test_rectangles(tmp_path):
    shapes = [(300, 400), (600, 200), (100, 180), (80, 81)]
    write_images(tmp_path / "source", shapes, counts=(("train", 1), ("val", 1)))
    source, new = tmp_path / "source", tmp_path / "new"
    assert main(["prepare", str(source), str(new), "--keep-rectangle", "--size", "128"]) == 0
    before, after = load("auto", source), load("auto", new)
    train = after["train"]
    expected = [(128, 171, 3), (384, 128, 3), (100, 180, 3), (80, 81, 3)]
    assert [train.image(i).shape for i in range(4)] == expected
    assert np.array_equal(train.image(2), before["train"].image(2))
    require_same_views(before, after, 112, 128, exact=False)
    assert np.array_equal(train.mean_image, mean_image_of_squares(train, 128))


def mean_image_of_squares(dataset, size):
    """By the definition in `statistics`, without what the data set says it is."""
    copy = type("Unprepared", (), {"__len__": lambda self: len(dataset), "image": dataset.image})()
    return mean_image(copy, size)


def test_reduced_images_have_no_gaps():
    image = np.zeros((9, 7, 3), np.uint8)
    for picture in (image, image[:, ::2], image.transpose(1, 0, 2)):
        for size in (2, 4, 100):
            for keep_rectangle in (False, True):
                assert reduced(picture, size, keep_rectangle).flags.c_contiguous


def test_output_does_not_depend_on_workers_or_shards(source, tmp_path, small_shards):
    assert run(source, tmp_path / "one", "-j", "1") == 0
    assert run(source, tmp_path / "many", "-j", "5") == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    assert {"train-00005.npy", "validation-00002.npy"} <= contents(tmp_path / "one").keys()


def test_bad_images(source, tmp_path, capsys, small_shards):
    bad = [source / "train" / "ant" / name for name in ("000.jpg", "003.jpg", "x.jpg")]
    for path in (*bad, source / "val" / "bee" / "002.jpg"):
        path.write_bytes(b"not an image")
    assert run(source, tmp_path / "new") == 3
    assert f"{bad[0]}: not an image" in capsys.readouterr().err
    assert run(source, tmp_path / "new", "--bad-images", "skip", "--max-bad-images", "3") == 3
    assert "more than --max-bad-images 3" in capsys.readouterr().err
    assert run(source, tmp_path / "new", "--bad-images", "skip", "--max-bad-images", "4") == 0
    assert "left out 4" in capsys.readouterr().out
    lines = (tmp_path / "new" / "bad_images.txt").read_text().splitlines()
    assert [line.partition(": ")[0] for line in lines[:3]] == [str(path) for path in bad]
    assert len(lines) == 4
    before, after = load("auto", source)["train"], load("auto", tmp_path / "new")["train"]
    kept = [i for i in range(len(before)) if before.name(i) not in map(str, bad)]
    assert [after.name(i) for i in range(len(after))] == [before.name(i) for i in kept]
    assert after.labels.tolist() == before.labels[kept].tolist()
    assert np.array_equal(after.mean_image, mean_image_of_squares(after, 24))


def test_bad_images_of_finished_shards_count_when_it_goes_on(
    source, tmp_path, capsys, monkeypatch, small_shards
):
    for name in ("000.jpg", "003.jpg"):
        (source / "train" / "ant" / name).write_bytes(b"not an image")

    def stop(*args):
        raise OSError(errno.EIO, "stop")

    with monkeypatch.context() as patch:
        patch.setattr(shard_writer.FolderWriter, "write_description", stop)
        assert run(source, tmp_path / "new", "--bad-images", "skip") == 7
    assert run(source, tmp_path / "new", "--bad-images", "skip", "--max-bad-images", "1") == 3
    assert "2 images cannot be used" in capsys.readouterr().err
    assert run(source, tmp_path / "new") == 3
    assert "000.jpg: not an image" in capsys.readouterr().err
    assert run(source, tmp_path / "new", "--bad-images", "skip", "--max-bad-images", "2") == 0


def test_no_image_can_be_used(source, tmp_path, capsys):
    for path in (source / "train").rglob("*.jpg"):
        path.write_bytes(b"not an image")
    assert run(source, tmp_path / "new", "--bad-images", "skip") == 3
    assert "none of the training images can be used" in capsys.readouterr().err


class FaultyFile:
    """An open file whose writes are steps that can fail."""

    def __init__(self, file, step):
        self._file, self._step = file, step

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, content):
        self._step()
        return self._file.write(content)


def fail_at(patch, number, error):
    """Let one of the writes, fsyncs and renames fail; gives the list of steps taken."""
    steps = []

    def step(what):
        steps.append(what)
        if len(steps) == number:
            raise error

    def fail_before(name):
        function = getattr(os, name)

        def call(*args):
            step(name)
            return function(*args)

        return call

    for name in ("fsync", "replace"):
        patch.setattr(os, name, fail_before(name))
    patch.setattr(
        shard_writer,
        "open",
        lambda *args: FaultyFile(builtins.open(*args), lambda: step("write")),
        raising=False,
    )
    return steps


def test_every_write_fsync_and_rename_may_fail(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shard_writer, "SHARD_BYTES", 1000)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    source = tmp_path / "source"
    write_images(source, [(40, 30)], counts=(("train", 1), ("val", 1)))
    assert run(source, tmp_path / "undisturbed") == 0
    expected = contents(tmp_path / "undisturbed")
    failed = 0
    for number in range(1, 1000):
        destination = tmp_path / "new"
        with monkeypatch.context() as patch:
            full = OSError(errno.ENOSPC, "No space left on device")
            steps = fail_at(patch, number, full)
            code = run(source, destination)
        if len(steps) < number:
            assert code == 0
            break
        failed += 1
        assert code == 7
        message = capsys.readouterr().err
        assert "error: disk full: [Errno 28] No space left on device" in message
        # A rename names its files itself.
        assert steps[number - 1] == "replace" or f"device: '{tmp_path}" in message
        assert not list(destination.rglob("*.tmp"))
        if shards.found_in(destination):  # the last fsync of all
            for dataset in shards.open_splits(destination).values():
                dataset.verify()
        assert run(source, destination) == 0
        assert contents(destination) == expected
        shutil.rmtree(destination)
    assert {"write", "fsync", "replace"} == set(steps)
    assert failed > 40


def count_decodings(monkeypatch):
    decoded = []
    image = Skipping.image

    def counting(self, index, square=None):
        decoded.append(self.name(index))
        return image(self, index, square)

    monkeypatch.setattr(Skipping, "image", counting)
    return decoded


def stopped(source, destination, monkeypatch):
    """A folder in which everything but the description is done."""
    with monkeypatch.context() as patch:
        patch.setattr(shard_writer.FolderWriter, "write_description", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(source, destination)


def test_finished_shards_are_not_decoded_again(source, tmp_path, monkeypatch, small_shards):
    assert run(source, tmp_path / "undisturbed") == 0
    new = tmp_path / "new"
    stopped(source, new, monkeypatch)
    with pytest.raises(DataError, match="nothing in it is known as data"):
        load("auto", new)
    left = new / ".prepare" / ".unfinished-1"
    left.mkdir()
    (left / "shard.npy").write_bytes(b"x")
    stopped(source, new, monkeypatch)
    assert not left.exists()
    (new / "train-00002.npy").write_bytes((new / "train-00001.npy").read_bytes())
    (new / ".prepare" / "validation-00001.json").write_bytes(b"{}")
    decoded = count_decodings(monkeypatch)
    monkeypatch.setattr(prepare, "IMAGES_AHEAD_PER_WORKER", 1)
    assert run(source, new, "-j", "1") == 0
    # Shard 2 begins with the fourth image, and the second one of validation likewise.
    names = {Path(name).relative_to(source).as_posix() for name in decoded}
    assert "train/ant/000.jpg" not in names
    assert "train/bee/005.jpg" not in names
    assert 0 < len(names) <= 6
    assert contents(new) == contents(tmp_path / "undisturbed")
    assert not (new / ".prepare").exists()


def test_complete_folder_is_left_alone(source, tmp_path, capsys):
    assert run(source, tmp_path / "new") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "new").rglob("*")}
    capsys.readouterr()
    assert run(source, tmp_path / "new") == 0
    assert "is complete already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "new").rglob("*")} == before
    (tmp_path / "new" / "train-00000.npy").write_bytes(b"")
    assert run(source, tmp_path / "new") == 3
    assert "train-00000.npy: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("complete", [True, False])
def test_other_settings_are_refused(source, tmp_path, capsys, monkeypatch, complete):
    new = tmp_path / "new"
    assert run(source, new) == 0 if complete else stopped(source, new, monkeypatch) is None
    before = contents(new)

    def refused(*options, of=source):
        capsys.readouterr()
        assert run(of, new, *options) == 3
        assert contents(new) == before
        return capsys.readouterr().err

    assert "was prepared with size 24, not 20; give another" in refused("--size", "20")
    assert "with crop square, not rectangle" in refused("--keep-rectangle")
    assert "with seed 0, not 1" in refused("--seed", "1")
    shutil.copytree(source, tmp_path / "other")
    assert f"with source {source}, not {tmp_path / 'other'}" in refused(of=tmp_path / "other")
    (source / "val" / "ant" / "000.jpg").rename(source / "val" / "ant" / "new.jpg")
    assert "from another list of images" in refused()
    (source / "val" / "ant" / "new.jpg").rename(source / "val" / "ant" / "000.jpg")
    assert run(source, new) == 0


def test_folder_of_something_else_is_refused(source, tmp_path, capsys):
    assert run(source, source) == 3
    assert f"{source}: holds other files, such as train; give a new" in capsys.readouterr().err
    assert not (source / ".prepare").exists()
    assert run(source, source / "train" / "ant" / "000.jpg") == 7


def test_what_systems_leave_in_a_folder_does_not_make_it_somebody_elses(source, tmp_path):
    for name in (".DS_Store", "@eaDir", "desktop.ini"):
        (tmp_path / "new" / name).mkdir(parents=True)
    assert run(source, tmp_path / "new") == 0


def test_two_at_a_time_are_refused(source, tmp_path, capsys):
    (tmp_path / "new" / ".prepare").mkdir(parents=True)
    with files.locked(tmp_path / "new" / ".prepare" / "lock"):
        assert run(source, tmp_path / "new") == 3
    assert "new: another process is preparing it" in capsys.readouterr().err
    assert run(source, tmp_path / "new") == 0


def test_too_little_space_is_noticed_before_it_starts(source, tmp_path, capsys, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=20_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    assert run(source, tmp_path / "new") == 7
    assert "disk full: [Errno 28] 18 images need about" in capsys.readouterr().err
    assert not list((tmp_path / "new").glob("*.npy"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free._replace(free=10**9))
    assert run(source, tmp_path / "new") == 0
    text = capsys.readouterr().err
    assert "1 GB are free; about 0:00:0" in text
    size = sum(path.stat().st_size for path in (tmp_path / "new").glob("*-0*.npy"))
    assert abs(float(text.split("about ")[1].split()[0]) - size / 1e9) < 4e-6


def test_interrupt(source, tmp_path, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shard_writer.FolderWriter, "write_description", interrupt)
        assert run(source, tmp_path / "new") == 130
    assert capsys.readouterr().err.endswith(
        "interrupted; what is finished is kept: give the same command again to go on\n"
    )
    assert run(source, tmp_path / "new") == 0


def test_wrong_use(tmp_path, capsys):
    assert main(["prepare", str(tmp_path)]) == 2
    assert main(["prepare", str(tmp_path), str(tmp_path), "--size", "0"]) == 2
    assert main(["prepare", str(tmp_path / "nowhere"), str(tmp_path / "new")]) == 3
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_kills():
    """More of them: python -m tests.stress.kill_prepare 50 --every 1"""
    command = [
        sys.executable,
        "-m",
        "tests.stress.kill_prepare",
        "2",
        "--every",
        "17",
        "--images",
        "12",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "kills at steps: the same" in result.stdout
