"""Folders of images: the split, what is skipped, and what every kind of file decodes to."""

import logging
import os

import numpy as np
import pytest
from PIL import Image

from alexnet.data import DataError, load
from alexnet.data.folder import load_folder, read_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def write_image(path, color=RED, size=(6, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def write_classes(folder, classes=("ant", "bee"), count=10):
    for name in classes:
        for i in range(count):
            write_image(folder / name / f"{i:02}.png")


def noise(height=64, width=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def relative_files(dataset, root):
    return [path.relative_to(root).as_posix() for path in dataset.files]


def test_train_and_val_folders(tmp_path):
    write_image(tmp_path / "train" / "bee" / "1.png", GREEN)
    write_image(tmp_path / "train" / "ant" / "deep" / "er" / "2.png", RED, size=(7, 3))
    write_image(tmp_path / "val" / "ant" / "3.png")
    write_image(tmp_path / "val" / "bee" / "4.png")
    train, validation = load("folder", tmp_path)
    assert train.classes == validation.classes == ["ant", "bee"]
    assert train.labels.tolist() == validation.labels.tolist() == [0, 1]
    assert train.labels.dtype == np.int64
    assert len(train) == 2
    assert train.image(0).shape == (3, 7, 3)
    assert train.image(0).dtype == np.uint8
    assert (train.image(1) == GREEN).all()


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_names_of_the_validation_folder(tmp_path, name):
    write_classes(tmp_path / "train", count=3)
    write_classes(tmp_path / name, count=2)
    train, validation = load_folder(tmp_path)
    assert (len(train), len(validation)) == (6, 4)


@pytest.mark.parametrize("inside", ["", "train"])
def test_split_is_stratified_and_complete(tmp_path, inside):
    write_classes(tmp_path / inside, ["ant"], count=10)
    write_classes(tmp_path / inside, ["bee"], count=5)
    write_classes(tmp_path / inside, ["cat"], count=2)
    train, validation = load_folder(tmp_path, seed=3)
    assert np.bincount(train.labels).tolist() == [8, 4, 1]
    assert np.bincount(validation.labels).tolist() == [2, 1, 1]
    assert len({*train.files, *validation.files}) == 17


def test_split_depends_on_seed_and_names_only(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write_classes(first, count=20)
    for path in sorted(first.rglob("*.png"), reverse=True):
        write_image(second / path.relative_to(first), BLUE)
    a, b = load_folder(first, seed=1), load_folder(second, seed=1)
    for one, other in zip(a, b, strict=True):
        assert relative_files(one, first) == relative_files(other, second)
    other_seed = load_folder(first, seed=2)[1]
    assert relative_files(a[1], first) != relative_files(other_seed, first)


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    write_classes(tmp_path / "train", count=5)
    write_classes(tmp_path / "val", count=5)
    walk = os.walk
    listed = []
    for step in (1, -1):
        monkeypatch.setattr(
            os,
            "walk",
            lambda *args, step=step, **kwargs: [
                (parent, subfolders[::step], sorted(names)[::step])
                for parent, subfolders, names in walk(*args, **kwargs)
            ],
        )
        listed.append([dataset.files for dataset in load_folder(tmp_path)])
    assert listed[0] == listed[1]


def test_single_image_is_trained_on(tmp_path, caplog):
    write_classes(tmp_path, count=5)
    write_image(tmp_path / "cat" / "only.png")
    train, validation = load_folder(tmp_path)
    assert train.classes == validation.classes == ["ant", "bee", "cat"]
    assert 2 in train.labels
    assert 2 not in validation.labels
    assert "class cat has a single image" in caplog.text


def bad_files(folder):
    """One file of every unusable kind; gives name -> reason that has to be shown."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise()).save(folder / "good.jpg")
    jpeg = (folder / "good.jpg").read_bytes()
    (folder / "good.jpg").unlink()
    (folder / "truncated.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "corrupt.jpg").write_bytes(jpeg[:30] + bytes(len(jpeg) - 30))
    (folder / "text.jpg").write_text("this is no image")
    (folder / "notes.txt").write_text("neither is this")
    (folder / "empty.png").write_bytes(b"")
    (folder / "script.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.fromarray(noise()).save(folder / "whole.png")
    png = (folder / "whole.png").read_bytes()
    (folder / "whole.png").unlink()
    (folder / "cut.png").write_bytes(png[:-400])
    Image.new("1", (13_000, 13_000)).save(folder / "bomb.png")
    Image.new("RGB", (900, 2)).save(folder / "line.png")
    Image.new("F", (4, 4)).save(folder / "float.tiff")
    return {
        "truncated.jpg": "truncated",
        "corrupt.jpg": "",
        "text.jpg": "not an image",
        "notes.txt": "not an image",
        "empty.png": "not an image",
        "script.jpg": "not an image",
        "cut.png": "cannot be read",
        "bomb.png": "decompression bomb",
        "line.png": "900x2 pixels, too narrow",
        "float.tiff": "floating-point",
    }


def test_bad_files_are_named_and_skipped(tmp_path, caplog):
    write_classes(tmp_path, count=4)
    reasons = bad_files(tmp_path / "bee")
    (tmp_path / "bee" / ".DS_Store").write_bytes(b"hidden")
    (tmp_path / "empty class").mkdir()
    bad_files(tmp_path / "only bad")

    train, validation = load_folder(tmp_path)

    assert train.classes == ["ant", "bee"]
    assert len(train) + len(validation) == 8
    lines = [record.getMessage() for record in caplog.records]
    assert {record.name for record in caplog.records} == {"alexnet.data"}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    for name, reason in reasons.items():
        (line,) = [line for line in lines if line.startswith(f"skipped {tmp_path / 'bee' / name}:")]
        assert reason in line
        assert "\n" not in line
    left_out = [line for line in lines if line.startswith("left out class")]
    assert [line.split(":")[0] for line in left_out] == [
        "left out class empty class",
        "left out class only bad",
    ]
    assert len(lines) == 2 * len(reasons) + 2


def test_corrupt_file_after_the_check_is_named(tmp_path):
    write_classes(tmp_path, count=4)
    train, _ = load_folder(tmp_path)
    train.files[2].write_bytes(b"overwritten")
    with pytest.raises(DataError, match=rf"{train.files[2].name}: not an image"):
        train.image(2)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tiff", "ppm"])
def test_formats(tmp_path, suffix):
    write_image(tmp_path / f"x.{suffix}", BLUE, size=(9, 4))
    pixels = read_image(tmp_path / f"x.{suffix}")
    assert pixels.shape == (4, 9, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - BLUE).max() <= 3


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    assert np.abs(read_image(tmp_path / "x.jpg").astype(int) - RED).max() <= 5


def test_grey_and_black_and_white(tmp_path):
    Image.new("L", (3, 2), 77).save(tmp_path / "grey.png")
    Image.new("1", (3, 2), 1).save(tmp_path / "binary.png")
    assert (read_image(tmp_path / "grey.png") == 77).all()
    assert (read_image(tmp_path / "binary.png") == 255).all()


def test_palette_png(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putdata([1, 0])
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "transparent.png", transparency=1)
    assert read_image(tmp_path / "opaque.png").tolist() == [[[*GREEN], [*RED]]]
    assert read_image(tmp_path / "transparent.png").tolist() == [[[255, 255, 255], [*RED]]]


def test_first_frame_of_a_gif(tmp_path):
    frames = [Image.new("RGB", (4, 4), color) for color in (GREEN, RED, BLUE)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "x.gif") == GREEN).all()


def test_16_bit_grey(tmp_path):
    values = np.array([[0, 255, 256], [0x1234, 40_000, 65_535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    pixels = read_image(tmp_path / "x.png")
    assert pixels[:, :, 0].tolist() == (values >> 8).tolist()
    assert (pixels == pixels[:, :, :1]).all()


def test_transparency_becomes_white(tmp_path):
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)])
    image.save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png")[0].tolist() == [[255, 0, 0], [255] * 3, [127] * 3]


def test_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right-hand side
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=exif)
    upright = read_image(tmp_path / "x.jpg")
    assert upright.shape == (16, 8, 3)
    assert upright[:8].min() > 200
    assert upright[8:].max() < 50


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("classes", [[], ["ant"]])
def test_fewer_than_two_classes(tmp_path, classes):
    write_classes(tmp_path, classes, count=2)
    with pytest.raises(DataError, match=rf"{len(classes)} class\(es\) .* at least 2 are needed"):
        load_folder(tmp_path)


def test_different_classes_in_validation(tmp_path):
    write_classes(tmp_path / "train", ["ant", "bee", "cat"], count=1)
    write_classes(tmp_path / "val", ["ant", "bee", "dog"], count=1)
    with pytest.raises(DataError, match="images of cat, dog"):
        load_folder(tmp_path)
