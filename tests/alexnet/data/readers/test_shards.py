"""Prepared data as a source: what a damaged or forged folder does, and what a good one gives."""

import errno
import hashlib
import io
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from alexnet.data import load, recognize
from alexnet.data.__main__ import main
from alexnet.data.commands import shard_writer
from alexnet.data.readers import shards
from alexnet.errors import DataError

SIZE = 6


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three classes; images of several sizes, some smaller than SIZE."""
    root = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2), ("test", 1)):
        for name in ("ant", "bee", "cät"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (4 + 2 * i, 5 + i, 3), np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def original(source, tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "prepared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_writer, "SHARD_BYTES", 500)
        assert main(["prepare", str(source), str(root), "--size", str(SIZE)]) == 0
    return root


@pytest.fixture
def prepared(original, tmp_path):
    """A copy to damage."""
    return shutil.copytree(original, tmp_path / "copy")


def everything(root):
    """All that a data set gives."""
    return {
        split: (
            dataset.classes,
            dataset.labels.tolist(),
            [dataset.image(i).tobytes() for i in range(len(dataset))],
            [dataset.image(i).shape for i in range(len(dataset))],
            [dataset.name(i) for i in range(len(dataset))],
            None if dataset.mean_image is None else dataset.mean_image.tobytes(),
        )
        for split, dataset in load("shards", root).items()
    }


def require_error_or_the_same(root, expected):
    """Whether there was an error; any but a DataError goes through."""
    try:
        found = everything(root)
    except DataError as error:
        assert str(root) in str(error)
        assert "prepare it again" in str(error)
        return True
    assert found == expected
    return False


def seal(root, change=lambda description: None):
    """Make the checksums right again, as a forger would; the description can be changed."""
    description = shards.read_json(root / shards.DESCRIPTION)
    for name, entry in description["files"].items():
        content = (root / name).read_bytes()
        entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    change(description)
    (root / shards.DESCRIPTION).write_bytes(shards.json_with_checksum(description))


def test_it_is_recognized_before_everything_else(prepared):
    for name in ("ant", "bee"):
        (prepared / "train" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(prepared / "train" / name / "1.png")
    assert recognize(prepared) == "shards"
    (prepared / shards.DESCRIPTION).unlink()
    assert recognize(prepared) == "folder"


def test_splits_labels_and_names_are_those_of_the_source(source, original):
    before, after = load("folder", source), load("auto", original)
    assert list(after) == ["train", "validation", "test"]
    assert len(list(original.glob("train-0*.npy"))) > 1
    for split in after:
        assert after[split].classes == ["ant", "bee", "cät"]
        assert after[split].labels.dtype == np.int64
        assert after[split].labels.tolist() == before[split].labels.tolist()
        names = [after[split].name(i) for i in range(len(after[split]))]
        assert names == before[split].files
    assert after["train"].mean_image.shape == (3, SIZE, SIZE)
    assert after["validation"].mean_image is after["test"].mean_image is None


def test_images_are_views_of_read_only_maps(original):
    train = load("shards", original)["train"]
    image = train.image(np.int64(3))
    assert image.dtype == np.uint8 and image.shape == (SIZE, SIZE, 3)
    assert type(image) is np.ndarray
    assert not image.flags.owndata and not image.flags.writeable
    assert np.shares_memory(image, train.image(3))


def test_shards_are_npy_files(original):
    train = load("shards", original)["train"]
    pixels = np.load(original / "train-00000.npy", mmap_mode="r")
    assert pixels.dtype == np.uint8 and pixels.ndim == 1
    assert pixels[: train.image(0).size].tobytes() == train.image(0).tobytes()


@pytest.mark.parametrize("length", [0, 1, 2**40])
def test_headers_of_shards_have_one_length(length):
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(header, description)
    assert header.tell() == shards.HEADER_BYTES


def test_every_truncated_file_is_an_error(original, prepared):
    expected = everything(original)
    for path in sorted(prepared.iterdir()):
        content = path.read_bytes()
        lengths = {0, 1, 127, 128, 129, len(content) - 1, *range(0, len(content), 97)}
        for length in sorted(lengths & set(range(len(content)))):
            path.write_bytes(content[:length])
            harmless = not require_error_or_the_same(prepared, expected)
            # dataset.json ends with a line break.
            assert not harmless or (path.suffix == ".json" and length == len(content) - 1)
        path.write_bytes(content + b"\0")
        assert require_error_or_the_same(prepared, expected), path
        path.write_bytes(content)


def test_every_missing_file_is_an_error(original, prepared):
    for path in sorted(prepared.iterdir()):
        path.rename(prepared.parent / "away")
        with pytest.raises(DataError, match=rf"{path.name}: cannot be read \(No such file"):
            shards.open_splits(prepared)
        (prepared.parent / "away").rename(path)


def test_flipped_bits_are_an_error_or_harmless(original, prepared):
    expected = everything(original)
    rng = random.Random(0)
    for path in sorted(prepared.iterdir()):
        is_shard = path.name[-9:-4].isdigit()
        content = path.read_bytes()
        length = shards.HEADER_BYTES if is_shard else len(content)
        for position in rng.sample(range(length), min(40, length)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            error = require_error_or_the_same(prepared, expected)
            # Everything but the shards and the spaces of dataset.json has a checksum.
            assert error or is_shard or path.name == shards.DESCRIPTION
        path.write_bytes(content)


def test_verify_finds_damaged_pixels(prepared):
    for dataset in shards.open_splits(prepared).values():
        dataset.verify()
    for path in prepared.glob("*-0*.npy"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        shards.open_splits(prepared)
        with pytest.raises(DataError, match=f"{path.name}: damaged, its checksum is wrong; remove"):
            for dataset in shards.open_splits(prepared).values():
                dataset.verify()
        content[-1] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize(
    "field, value, problem",
    [
        ("label", -1, "label"),
        ("label", 3, "label"),
        ("shard", -1, "shard"),
        ("shard", 99, "shard"),
        ("offset", -1, "offset"),
        ("offset", 2**63 - 1, "offset"),
        ("offset", 10_000, "outside its file"),
        ("height", 0, "height"),
        ("width", -1, "width"),
        ("width", 100, "outside its file"),
        # 3 * 2^31 * 2^31 would overflow to a negative number
        ("height", 2**62, "height"),
        ("width", 2**31, "width"),
    ],
)
def test_forged_index(prepared, field, value, problem):
    index = np.load(prepared / "train-index.npy")
    index[field][5] = value
    np.save(prepared / "train-index.npy", index)
    seal(prepared)
    with pytest.raises(DataError, match=f"train-index.npy: damaged, .*{problem}"):
        shards.open_splits(prepared)


def test_last_image_may_not_reach_a_byte_beyond_its_shard(prepared):
    index = np.load(prepared / "train-index.npy")
    index["offset"][-1] += 1
    np.save(prepared / "train-index.npy", index)
    seal(prepared)
    with pytest.raises(DataError, match="outside its file"):
        shards.open_splits(prepared)


def objects():
    content = io.BytesIO()
    np.save(content, np.array([print], object), allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize("name", ["train-index.npy", "mean_image.npy", "train-00000.npy"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY\x09\x00", objects()])
def test_forged_arrays(prepared, name, content):
    (prepared / name).write_bytes(content)
    seal(prepared)
    # Of a shard with other bytes nothing but the size can be wrong.
    problem = "an image is outside its file" if name == "train-00000.npy" else name
    with pytest.raises(DataError, match=problem):
        everything(prepared)


@pytest.mark.parametrize(
    "name, array",
    [
        ("train-index.npy", np.zeros((12, 5), np.int64)),
        ("train-index.npy", np.zeros(11, shards.INDEX_TYPE)),
        ("mean_image.npy", np.float32(0)),
        ("mean_image.npy", np.zeros((3, 6, 5), np.float32)),
        ("mean_image.npy", np.zeros((3, 6, 6), np.float64)),
    ],
)
def test_arrays_of_a_wrong_type(prepared, name, array):
    np.save(prepared / name, array)
    seal(prepared)
    with pytest.raises(DataError):
        everything(prepared)


@pytest.mark.parametrize("names", [b"{}", b"[1]", b'["a"]', b"[" * 100_000, b"\xff"])
def test_forged_names(prepared, names):
    (prepared / "train-names.json").write_bytes(names)
    seal(prepared)
    with pytest.raises(DataError, match="train-names.json"):
        shards.open_splits(prepared)["train"].name(0)


@pytest.mark.parametrize("value", [None, 5, -1, 2**70, 0.5, "x", [], [1], {}, {"train": 1}, True])
@pytest.mark.parametrize(
    "key", ["classes", "files", "splits", "images", "shards", "size", "sha256"]
)
def test_forged_description(prepared, key, value):
    def change(description):
        if key in ("images", "shards"):
            description["splits"]["train"][key] = value
        elif key in ("size", "sha256"):
            description["files"]["train-index.npy"][key] = value
        else:
            description[key] = value

    seal(prepared, change)
    with pytest.raises(DataError):
        shards.open_splits(prepared)


def test_description_without_settings(prepared):
    seal(prepared, lambda description: description.pop("settings"))
    with pytest.raises(DataError, match="something is missing"):
        shards.open_splits(prepared)


@pytest.mark.parametrize("name", ["../copy/mean_image.npy", "/dev/zero", "a\0b", ""])
def test_no_file_outside_the_folder_is_read(prepared, name):
    entry = {"size": 0, "sha256": ""}
    seal(prepared, lambda description: description["files"].update({name: entry}))
    with pytest.raises(DataError, match="something is missing or of a wrong type"):
        shards.open_splits(prepared)


def test_other_version(prepared):
    seal(prepared, lambda description: description.update(format=2))
    with pytest.raises(DataError, match="format 2, but this version reads 1; remove the folder"):
        load("auto", prepared)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"{}", b"{", b"[" * 100_000, b'{"a":NaN}'])
def test_description_that_is_none(prepared, content):
    (prepared / shards.DESCRIPTION).write_bytes(content)
    with pytest.raises(DataError, match="dataset.json: damaged; remove the folder"):
        load("auto", prepared)


def test_shard_that_vanishes_or_shrinks_after_opening(prepared):
    train = shards.open_splits(prepared)["train"]
    (prepared / "train-00000.npy").write_bytes(b"")
    (prepared / "train-00001.npy").unlink()
    for index in (0, len(train) // 2):
        with pytest.raises(DataError, match=r"train-0000[01].npy: cannot be read"):
            train.image(index)


def test_too_many_open_files(prepared, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EMFILE, "Too many open files")

    train = shards.open_splits(prepared)["train"]
    monkeypatch.setattr(np, "memmap", refuse)
    with pytest.raises(DataError, match="Too many open files.*; allow more open files: ulimit -n"):
        train.image(0)
