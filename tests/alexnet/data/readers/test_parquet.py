"""Parquet files: the same samples as in other forms, and damage told in one line."""

import io
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from alexnet.data import load, recognize
from alexnet.data.readers import parquet as source
from alexnet.errors import BadImage, DataError
from tests.alexnet.data import miniature_imagenet as mini

IMAGES = [mini.jpeg(i) for i in range(8)]
LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
NAMES = ["ant", "bee", "cat"]


def write(root, train=None, validation=None, test=None, **options):
    root.mkdir(exist_ok=True)
    tables = {"train": mini.image_table(IMAGES, LABELS, NAMES) if train is None else train}
    tables["validation"] = validation
    tables["test"] = test
    for split, table in tables.items():
        if table is not None:
            parquet.write_table(table, root / f"{split}-00000-of-00001.parquet", **options)


def small(labels=(2, 0), names=NAMES, plain=False):
    return mini.image_table(IMAGES[: len(labels)], list(labels), names, plain)


def samples(dataset):
    return {
        (dataset.image(i).tobytes(), dataset.classes[dataset.labels[i]])
        for i in range(len(dataset))
    }


# In another order than that of the synsets, as sets with some of the classes have it.
SHUFFLED = [mini.CLASSES[i] for i in (4, 0, 3, 1, 2)]
FIRST_WORDS = [(synset, words.split(",")[0], n) for synset, words, n in SHUFFLED]
ONLY_SYNSETS = [(synset, synset, n) for synset, _, n in SHUFFLED]


@pytest.mark.parametrize("classes", [mini.CLASSES, SHUFFLED, FIRST_WORDS, ONLY_SYNSETS])
@pytest.mark.parametrize("inside", ["", "data"])
def test_imagenet_gives_the_samples_of_its_folders(tmp_path, classes, inside):
    mini.write_train_folders(tmp_path / "folder")
    mini.write_validation_folders(tmp_path / "folder")
    (tmp_path / "parquet").mkdir()
    mini.write_parquet(tmp_path / "parquet" / inside, classes)
    assert recognize(tmp_path / "parquet") == "parquet"
    expected, splits = load("folder", tmp_path / "folder"), load("auto", tmp_path / "parquet")
    assert splits.keys() == {"train", "validation"}
    for split, dataset in splits.items():
        assert dataset.classes == mini.SYNSETS
        assert dataset.labels.dtype == np.int64
        assert len(dataset) == len(expected[split])
        assert samples(dataset) == samples(expected[split])


def test_rows_in_the_order_of_the_files(tmp_path):
    mini.write_parquet(tmp_path, row_group_size=3)
    train = load("parquet", tmp_path)["train"]
    rows = [image for of in mini.train_images().values() for image in of.values()]
    for i, contents in enumerate(rows[::2] + rows[1::2]):
        assert np.array_equal(
            train.image(np.int64(i)), np.asarray(Image.open(io.BytesIO(contents)))
        )
        assert train.file(i).read() == contents
        assert train.name(i) == f"{tmp_path}/train-0000{i // 10}-of-00002.parquet, row {i % 10}"


def test_plain_columns(tmp_path):
    write(tmp_path, mini.image_table(IMAGES, LABELS, plain=True), small(plain=True))
    train = load("parquet", tmp_path)["train"]
    assert train.classes == ["0", "1", "2"]
    assert train.labels.tolist() == LABELS
    assert train.image(3).shape == (16, 20, 3)


def test_columns_of_cifar100(tmp_path):
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    features = {
        "img": {"_type": "Image"},
        "fine_label": {"_type": "ClassLabel", "names": NAMES},
        "coarse_label": {"_type": "ClassLabel", "names": ["animal", "plant"]},
    }
    table = pyarrow.table(
        {
            "thumbnail": pyarrow.array([b"x"] * 8, "large_binary"),
            "id": pyarrow.array(range(8), "int32"),
            "img": pyarrow.array([{"bytes": image, "path": None} for image in IMAGES], kind),
            "coarse_label": pyarrow.array([0] * 8, "uint8"),
            "fine_label": pyarrow.array(LABELS, "uint16"),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    write(tmp_path, table, test=table)
    splits = load("parquet", tmp_path)
    assert splits["train"].classes == NAMES
    assert splits["validation"].labels.tolist() == LABELS
    assert splits["train"].image(1).shape == (16, 20, 3)


def test_declared_columns(tmp_path):
    features = {
        "photo": {"_type": "Image"},
        "species": {"_type": "ClassLabel", "names": NAMES},
        "image": {"_type": "Value"},
    }
    columns = {"image": [b"mask"] * 8, "photo": IMAGES, "label": [9] * 8, "species": LABELS}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    write(tmp_path, table, table)
    train = load("parquet", tmp_path)["train"]
    assert train.labels.tolist() == LABELS
    assert train.image(1).shape == (16, 20, 3)


def test_hidden_test_labels(tmp_path, caplog):
    write(tmp_path, validation=small(), test=small([-1, -1]))
    assert load("parquet", tmp_path).keys() == {"train", "validation"}
    assert "left out the test images, whose labels are hidden" in caplog.text
    (tmp_path / "validation-00000-of-00001.parquet").unlink()
    splits = load("parquet", tmp_path)
    assert {split: len(dataset) for split, dataset in splits.items()} == {
        "train": 5,
        "validation": 3,
    }


@pytest.mark.parametrize("name", ["validation", "val", "test"])
def test_names_of_the_validation_files(tmp_path, name):
    write(tmp_path)
    parquet.write_table(small(), tmp_path / f"{name}-00000-of-00001.parquet")
    splits = load("parquet", tmp_path)
    assert splits.keys() == {"train", "validation"}
    assert splits["validation"].labels.tolist() == [2, 0]


def test_test_beside_validation(tmp_path):
    write(tmp_path, validation=small(), test=small([1, 1, 1]))
    assert load("parquet", tmp_path)["test"].labels.tolist() == [1, 1, 1]


def test_missing_files(tmp_path):
    write(tmp_path, validation=small())
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "kept")
    with pytest.raises(DataError, match="no Parquet file for training"):
        load("parquet", tmp_path)
    (tmp_path / "kept").rename(tmp_path / "train-00000-of-00001.parquet")
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "train-00001-of-00003.parquet")
    with pytest.raises(DataError, match=r"1 of the 3 files train-\*-of-00003\.parquet are there"):
        load("parquet", tmp_path)


PLACES = {
    "uploaded": ("data/train-00000-of-00001", "data/test-00000-of-00001"),
    "converted": ("default/train/0000", "default/test/0000"),
    "converted before 2023": ("default/flowers-train", "default/flowers-validation"),
    "by hand": ("Training", "valid"),
    "in folders": ("train/part-0", "dev/part-0"),
}


@pytest.mark.parametrize("names", PLACES.values(), ids=PLACES)
def test_places_of_the_files(tmp_path, names):
    for name, table in zip(names, (mini.image_table(IMAGES, LABELS, NAMES), small())):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path)
    (tmp_path / "._train-00000-of-00001.parquet").write_bytes(b"of macOS")
    splits = load("auto", tmp_path)
    assert splits["train"].labels.tolist() == LABELS
    assert splits["validation"].labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    "names, problem",
    [
        (("one/train/0", "two/train/0"), "one and .*two both have Parquet files of sets: give one"),
        (("train-clean", "train_1", "training"), "train_1 and of training both look like the set"),
        (("test/0",), "no Parquet file for training"),
    ],
)
def test_files_of_which_it_is_not_clear_what_they_are(tmp_path, names, problem):
    for name in names:
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(small(), path)
    with pytest.raises(DataError, match=problem):
        load("auto", tmp_path)


def test_a_table_beside_images_is_no_data_set(tmp_path):
    for name in ("ant", "bee"):
        mini.write_files(tmp_path / name, {"1.jpg": IMAGES[0]})
    parquet.write_table(small(), tmp_path / "sizes.parquet")
    assert recognize(tmp_path) == "folder"


def test_training_files_alone_are_divided(tmp_path):
    images = [mini.jpeg(i) for i in range(20)]
    table = mini.image_table(images, [i % 2 for i in range(20)], ["ant", "cat"])
    parquet.write_table(table, tmp_path / "images.parquet", row_group_size=6)
    splits = load("auto", tmp_path, seed=3)
    assert np.bincount(splits["train"].labels).tolist() == [8, 8]
    assert np.bincount(splits["validation"].labels).tolist() == [2, 2]
    names = [dataset.name(i) for dataset in splits.values() for i in range(len(dataset))]
    assert sorted(names) == sorted(f"{tmp_path / 'images.parquet'}, row {i}" for i in range(20))
    for dataset in splits.values():
        for index, label in enumerate(dataset.labels):
            row = int(dataset.name(index).split()[-1])
            assert dataset.file(index).read() == images[row]
            assert label == row % 2
    again, other = (load("auto", tmp_path, seed=seed)["validation"] for seed in (3, 4))
    held_out = [splits["validation"].name(i) for i in range(4)]
    assert [again.name(i) for i in range(4)] == held_out
    assert [other.name(i) for i in range(4)] != held_out


def named(labels, **columns):
    return pyarrow.table({"image": IMAGES[: len(labels)], "label": labels, **columns})


def test_labels_that_are_names(tmp_path):
    labels = ["cat", "ant", "cat", "bee"]
    table = named(labels, id=[7, 8, 9, 9])
    write(tmp_path, table, named(pyarrow.array(["bee", "ant"]).dictionary_encode()))
    splits = load("parquet", tmp_path)
    for dataset in splits.values():
        assert dataset.classes == NAMES
        assert dataset.labels.dtype == np.int64
    assert splits["train"].labels.tolist() == [2, 0, 2, 1]
    assert splits["validation"].labels.tolist() == [1, 0]
    parquet.write_table(named(["dog"]), tmp_path / "validation-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"row 0: the training set has no label 'dog'"):
        load("parquet", tmp_path)


def test_an_unlabeled_test_of_names_is_left_out(tmp_path, caplog):
    names = ["ant", "bee"]
    write(tmp_path, named(names), named(names), named(pyarrow.array([None, None], "string")))
    assert load("parquet", tmp_path).keys() == {"train", "validation"}
    assert "left out the test images" in caplog.text


def test_a_number_that_identifies_a_row_is_no_label(tmp_path):
    columns = {"image": IMAGES, "image_id": range(8), "file_name": ["x"] * 8}
    write(tmp_path, pyarrow.table(columns))
    with pytest.raises(DataError, match="cannot tell which column has the labels"):
        load("parquet", tmp_path)
    write(tmp_path, pyarrow.table({**columns, "species": [NAMES[i] for i in LABELS]}))
    assert load("parquet", tmp_path)["train"].classes == NAMES


def test_missing_pyarrow(tmp_path, monkeypatch):
    write(tmp_path, validation=small())
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"needs pyarrow: pip install pyarrow"):
        load("parquet", tmp_path)


@pytest.mark.parametrize(
    ("labels", "names", "reason"),
    [
        ([0, 1, None, 2], NAMES, r"row 2: label -1 where there are 3 classes"),
        ([0, 1, 2, -1], NAMES, r"row 3: label -1 where"),
        ([0, 3, 2, 0], NAMES, r"row 1: label 3 where there are 3"),
        ([0, 3, -1, 0], None, r"row 2: label -1 where there are 4"),
        ([0, 2**62], None, r"row 1: label 4611686018427387904 where there are 100000"),
        ([0, 0], None, "a single class"),
        ([0.5, 1.5], NAMES, "cannot tell which column has the labels, of image, label; call it"),
        ([0, 1], ["ant", "ant"], "names of its classes are damaged"),
        ([0, 1], ["ant", 7], "names of its classes are damaged"),
        ([0, 1], {"0": "ant"}, "names of its classes are damaged"),
        ([0, 1], [], "row 0: label 0 where there are 0"),
        ([], NAMES, "no rows in it"),
    ],
)
def test_bad_labels(tmp_path, labels, names, reason):
    table = mini.image_table(IMAGES[: len(labels)], pyarrow.array(labels), names)
    if not labels:
        table = small().slice(0, 0)
    write(tmp_path, table, validation=small([0], names))
    with pytest.raises(DataError, match=rf"train-00000-of-00001\.parquet.*{reason}"):
        load("parquet", tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"info": 5}', '{"info": {"features": 1}}', "[" * 9999]
)
def test_damaged_metadata(tmp_path, text):
    write(tmp_path, small().replace_schema_metadata({"huggingface": text}), small())
    with pytest.raises(DataError, match="its metadata are damaged; download it again"):
        load("parquet", tmp_path)


def test_files_that_do_not_fit_together(tmp_path):
    write(tmp_path, validation=small(names=["ant", "cat", "bee"]))
    with pytest.raises(DataError, match=r"validation-.*: not the columns or classes of the first"):
        load("parquet", tmp_path)


def test_bad_images_are_named(tmp_path):
    images = [IMAGES[0], None, b"", b"no JPEG", IMAGES[1]]
    for name, plain in [("plain", True), ("struct", False)]:
        table = mini.image_table(images, [0, 1, 2, 0, 1], NAMES, plain)
        write(tmp_path / name, table, small(plain=plain))
        train = load("parquet", tmp_path / name)["train"]
        for row, reason in {1: "no image", 2: "not an image", 3: "not an image"}.items():
            with pytest.raises(BadImage, match=rf"train-.*\.parquet, row {row}: .*{reason}"):
                train.image(row)
        assert train.image(4).shape == (16, 20, 3)


def test_row_of_nothing(tmp_path):
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    column = pyarrow.array([{"bytes": IMAGES[0], "path": ""}, None], kind)
    write(tmp_path, pyarrow.table({"image": column, "label": [0, 1]}), small(plain=True))
    with pytest.raises(DataError):
        load("parquet", tmp_path)["train"].image(1)


def test_row_groups_are_read_once_and_forgotten(tmp_path, monkeypatch):
    write(tmp_path, validation=small(), row_group_size=2)
    train = load("parquet", tmp_path)["train"]
    read, original = [], source._read_images

    def counting(group, column):
        read.append(group.number)
        return original(group, column)

    monkeypatch.setattr(source, "_read_images", counting)
    # Two groups fit: 0 is used again, so 1 makes room for 2.
    monkeypatch.setattr(source, "CACHE_BYTES", 2 * max(map(len, IMAGES)) * 2)
    for i in [0, 1, 2, 3, 0, 4, 1, 5, 2]:
        train.image(i)
    assert read == [0, 1, 2, 1]
    # A group that is larger than the cache is kept as long as it is used.
    monkeypatch.setattr(source, "CACHE_BYTES", 1)
    for i in [6, 7, 6, 0, 1]:
        train.image(i)
    assert read == [0, 1, 2, 1, 3, 0]


def test_threads_read_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "CACHE_BYTES", 1)
    write(tmp_path, validation=small(), row_group_size=1)
    train = load("parquet", tmp_path)["train"]
    expected = [train.image(i) for i in range(8)]
    indices = np.random.default_rng(0).integers(0, 8, 200)
    with ThreadPoolExecutor(4) as executor:
        for i, image in zip(indices, executor.map(train.image, indices)):
            assert np.array_equal(image, expected[i])


def test_threads_wait_for_the_same_row_group(tmp_path, monkeypatch):
    write(tmp_path, validation=small())
    train = load("parquet", tmp_path)["train"]
    read, original = [], source._read_images

    def slow(group, column):
        read.append(group.number)
        time.sleep(0.1)
        return original(group, column)

    monkeypatch.setattr(source, "_read_images", slow)
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(train.image, range(8)))
    assert read == [0]


def test_claims_of_a_hostile_file(tmp_path, monkeypatch):
    write(tmp_path, validation=small())
    with monkeypatch.context() as patch, pytest.raises(DataError, match="write smaller groups"):
        patch.setattr(source, "MAX_ROWS", 7)
        load("parquet", tmp_path)
    with monkeypatch.context() as patch, pytest.raises(DataError, match="write smaller groups"):
        patch.setattr(source, "MAX_GROUP_BYTES", 1000)
        load("parquet", tmp_path)
    # One image of a million bytes, and two hundred references to it.
    table = mini.image_table([bytes(10**6)] * 200, [0, 1] * 100, plain=True)
    write(tmp_path, table, small([0, 1], plain=True), compression="zstd")
    assert (tmp_path / "train-00000-of-00001.parquet").stat().st_size < 10**5
    monkeypatch.setattr(source, "MAX_GROUP_BYTES", 10**8 // 2)
    with pytest.raises(DataError, match="row group 0 has over 50,000,000 bytes"):
        load("parquet", tmp_path)["train"].image(0)


def test_file_replaced_while_it_is_open(tmp_path):
    write(tmp_path, validation=small())
    train = load("parquet", tmp_path)["train"]
    write(tmp_path, train=small())
    with pytest.raises(DataError, match="it has changed since it was opened; start again"):
        train.image(7)
    (tmp_path / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"train-.*\.parquet: cannot be read"):
        train.image(7)


def use(root):
    """Whether all images could be read, some were bad, or the set is refused."""
    try:
        for dataset in load("parquet", root).values():
            for i in range(len(dataset)):
                dataset.image(i)
    except DataError as error:
        assert "\n" not in str(error)
        return "bad image" if isinstance(error, BadImage) else "refused"
    return "read"


def test_cut_and_flipped_bytes(tmp_path):
    write(tmp_path, validation=small(), row_group_size=3, compression="snappy")
    path = tmp_path / "train-00000-of-00001.parquet"
    whole = path.read_bytes()
    for length in range(0, len(whole), 149):
        path.write_bytes(whole[:length])
        assert use(tmp_path) == "refused"
    choose = random.Random(0)
    outcomes = set()
    for _ in range(120):
        flipped = bytearray(whole)
        for position in choose.choices(range(len(whole)), k=choose.randrange(1, 4)):
            flipped[position] = choose.randrange(256)
        path.write_bytes(flipped)
        outcomes.add(use(tmp_path))
    assert outcomes == {"read", "bad image", "refused"}
