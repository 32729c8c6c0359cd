"""The report on a data set: everything planted is found and named, and nothing else."""

import json

import numpy as np
import pytest
from PIL import Image

from alexnet.data import images
from alexnet.data.__main__ import main
from alexnet.data.commands import check
from alexnet.data.commands.check import as_text, findings
from alexnet.data.commands.contact_sheet import contact_sheet, shown
from alexnet.data.commands.inspection import find_copies, inspect
from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import View
from alexnet.errors import DataError


def picture(seed, height=12, width=16):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def write(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture
def root(tmp_path):
    """20 images of ant and bee for training, 2 for validation: all different."""
    for label, name in enumerate(("ant", "bee")):
        for i in range(10):
            write(tmp_path / "train" / name / f"{i}.png", picture(100 * label + i))
        write(tmp_path / "val" / name / "0.png", picture(100 * label + 50))
    return tmp_path


def report(root, capsys, *options):
    code = main(["check", str(root), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_set(root, capsys):
    code, found = report(root, capsys)
    assert code == 0
    assert found["data"] == f"folder in {root}"
    assert found["sets"] == {"train": 20, "validation": 2}
    assert found["classes"] == [
        {"class": "ant", "train": 10, "validation": 1},
        {"class": "bee", "train": 10, "validation": 1},
    ]
    assert found["imbalance"] == 1
    assert found["pixels"] == {
        "width": [16, 16, 16],
        "height": [12, 12, 12],
        "small": 22,
        "elongated": 0,
    }
    assert found["kinds_of_files"] == {"PNG": 22}
    assert found["problems"] == []
    lists = [value for value in found.values() if isinstance(value, list) and value]
    assert lists == [found["classes"]]
    assert found["classes_missing"] == {"train": [], "validation": []}


def test_images_that_cannot_be_used(root, capsys):
    bad = root / "train" / "bee" / "3.png"
    bad.write_bytes(bad.read_bytes()[:-60])
    write(root / "train" / "bee" / "4.png", picture(105))  # the same as the next one
    (root / "val" / "ant" / "1.jpg").write_bytes(b"")
    code, found = report(root, capsys)
    assert code == 3
    assert [line.split(":")[0] for line in found["bad_images"]] == [
        str(bad),
        str(root / "val" / "ant" / "1.jpg"),
    ]
    assert found["problems"] == ["images that cannot be used: 2"]
    # Nothing is said about the pixels of images without any.
    assert found["pixels"]["height"] == [12, 12, 12]
    assert found["identical_in_several_sets"] == []
    four, five = (f"{root}/train/bee/{i}.png (bee)" for i in (4, 5))
    assert found["identical_in_training"] == [[four, five]]


def test_identical_pictures(root, capsys):
    # Another format, the same pixels; the same bytes in another shape are another picture.
    write(root / "val" / "ant" / "copy.bmp", picture(3))
    write(root / "train" / "bee" / "copy.png", picture(104))
    write(root / "train" / "ant" / "other label.png", picture(102))
    one = np.asarray(picture(5))
    write(root / "train" / "ant" / "shape.png", Image.fromarray(one.reshape(16, 12, 3)))
    code, found = report(root, capsys)
    assert code == 3

    def name(place, label):
        return f"{root / place} ({label})"

    assert found["identical_in_several_sets"] == [
        [name("train/ant/3.png", "ant"), name("val/ant/copy.bmp", "ant")]
    ]
    two_labels = [name("train/ant/other label.png", "ant"), name("train/bee/2.png", "bee")]
    assert found["identical_with_several_labels"] == [two_labels]
    assert sorted(found["identical_in_training"]) == [
        two_labels,
        [name("train/bee/4.png", "bee"), name("train/bee/copy.png", "bee")],
    ]
    assert found["problems"] == [
        "pictures in more than one set: 1",
        "pictures under more than one label: 1",
    ]


def test_copies_within_the_training_set_alone_are_no_problem(root, capsys):
    write(root / "train" / "bee" / "copy.png", picture(104))
    code, found = report(root, capsys)
    assert (code, len(found["identical_in_training"])) == (0, 1)


def test_kinds_and_sizes(root, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(root / "train" / "ant" / "a.jpg", picture(7).convert("CMYK"))
    write(root / "train" / "ant" / "b.jpg", picture(8, 256, 769), exif=exif)
    write(root / "train" / "ant" / "c.png", picture(9, 300, 400).convert("L"))
    _, found = report(root, capsys)
    assert found["kinds_of_files"] == {
        **{"PNG": 23, "JPEG": 2, "CMYK": 1, "EXIF-rotated": 1, "greyscale": 1}
    }
    assert found["pixels"] == {
        "width": [16, 16, 400],
        "height": [12, 12, 769],
        "small": 23,
        "elongated": 1,
    }


def test_text(root, capsys):
    (root / "train" / "bee" / "3.png").write_bytes(b"")
    (root / "train" / "bee" / "\x1b[31m.png").write_bytes(b"")
    assert main(["check", str(root)]) == 3
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert f"{root}/train/bee/\\x1b[31m.png: not an image" in text
    lines = text.splitlines()
    assert lines[0] == f"folder in {root}"
    assert [line.split() for line in lines[2:6]] == [
        ["images", "of", "the", "class", "train", "validation"],
        ["ant", "10", "1"],
        ["bee", "11", "1"],
        ["all", "2", "classes", "21", "2"],
    ]
    assert "width 16 16 16" in " ".join(text.split())
    assert lines[-1] == "Training would be unreliable; images that cannot be used: 2"


class Made:
    """A data set of gray images; its name of an image is its number."""

    def __init__(self, counts, first=0, damage=None):
        self.classes = [f"class {i}" for i in range(len(counts))]
        self.labels = np.repeat(np.arange(len(counts)), counts)
        self.first, self.damage = first, damage

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        pixels = np.zeros((4, 4, 3), np.uint8)
        pixels[0, 0] = np.array(divmod(index + self.first, 256) + (0,))
        return pixels

    def name(self, index):
        return f"image {index}"

    def verify(self):
        if self.damage:
            raise DataError(self.damage)


def found_in(train, validation):
    return findings(inspect({"train": train, "validation": validation}, workers=2))


def test_counts_of_many_classes_stay_short():
    found = found_in(Made([2] * 100 + [30] + [0] * 50 + [3] * 49), Made([1] * 200, first=20_000))
    assert found["imbalance"] == 15
    assert found["classes_missing"] == {
        "train": [f"class {i}" for i in range(101, 151)],
        "validation": [],
    }
    assert len(found["classes_with_few_training_images"]) == 149
    text = as_text(found)
    assert "... 190 more ..." in text
    assert "The largest class has 15 times the training images of the smallest" in text
    assert "classes without an image in train: 50\n  class 101\n" in text
    assert "  ... and 30 more" in text
    assert len(text.splitlines()) < 80


def test_a_set_that_can_tell_its_damage():
    found = found_in(Made([10, 10]), Made([1, 1], first=99, damage="shard-3: wrong checksum"))
    assert found["damaged_sets"] == ["shard-3: wrong checksum"]
    assert found["problems"] == ["a damaged set: shard-3: wrong checksum"]


def test_any_number_of_threads_finds_the_same():
    splits = {"train": Made([150, 90]), "validation": Made([70, 70], first=200)}
    one, four = (inspect(splits, workers) for workers in (1, 4))
    assert find_copies(one) == find_copies(four)
    assert len(find_copies(one)) == 40


def test_an_unusable_set_ends_the_check():
    class Gone(Made):
        def image(self, index, square=None):
            raise DataError("the archive is gone")

    with pytest.raises(DataError, match="the archive is gone"):
        inspect({"train": Gone([500, 500])}, workers=2)


def test_wrong_use(tmp_path, capsys, monkeypatch):
    assert main(["check"]) == 2
    assert "give DIR" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nowhere")]) == 3
    assert "nowhere: no such folder" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "-j", "0"]) == 2
    monkeypatch.setattr(check, "inspect", None)  # the pictures are checked before the images
    for path, code, reason in (
        (tmp_path / "missing" / "x.png", 2, "would lie in a folder that does not exist"),
        (tmp_path / "x.gif", 2, "does not end in .png"),
        (tmp_path, 2, "does not end in .png"),
    ):
        capsys.readouterr()
        assert main(["check", "--data", "demo", "--picture", str(path)]) == code
        assert reason in capsys.readouterr().err


def test_the_bound_on_the_size_of_images(root, capsys, monkeypatch):
    monkeypatch.setattr(images, "_max_pixels", images.MAX_PIXELS)  # as it is to be again
    assert main(["check", str(root), "--max-pixels", "191"]) == 3
    printed = capsys.readouterr().out
    assert "16x12 are 192 pixels, more than --max-pixels 191 allows" in printed
    assert main(["check", str(root)]) == 0


# -- the picture --------------------------------------------------------------------------------


def test_demo_set_with_a_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(DemoDataset, "counts", {"train": 20, "validation": 10})
    path = tmp_path / "samples.PNG"
    assert main(["check", "--data", "demo", "--picture", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("demo\n\n")
    assert str(path) in captured.err
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # A page of A4 at 150 dots an inch; nothing but white at its left and right edges.
    height, width = pixels.shape[:2]
    assert width == 1110 and 1600 < height < 1754
    assert (pixels[:, :5] == 255).all() and (pixels[:, -5:] == 255).all()
    # Columns 1.3 inches and further right: the samples, colorful nearly everywhere.
    samples = pixels[120:1200, 200:1070]
    assert (samples.max(axis=2) - samples.min(axis=2) > 30).mean() > 0.7


def test_names_that_a_font_or_a_formula_cannot_take(tmp_path):
    dataset = Made([3, 3, 3])
    dataset.classes = ["$x_$", "\u6728", "\udcff" + "long" * 20]
    path = tmp_path / "x.png"
    contact_sheet(inspect({"train": dataset}, 1)["train"], "a $title_$", 0, path)
    assert path.stat().st_size > 1000


def test_a_view_as_a_picture():
    crop = np.array([[[10, 100, 250], [20, 110, 240]]], np.uint8)
    assert shown(View(crop, False, np.zeros(3))).tolist() == crop.tolist()
    mirrored = shown(View(crop, True, np.array([-15, 0.6, 9])))
    assert mirrored.tolist() == [[[5, 111, 249], [0, 101, 255]]]
