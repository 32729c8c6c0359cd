"""CIFAR-10 in its binary files. The files of the tests are sparse: full size, nearly no disk."""

import numpy as np
import pytest

from alexnet.data import DataError, load
from alexnet.data.cifar10 import Cifar10

RECORD_BYTES = 3073
NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


def write_record(path, index, label, image):
    with open(path, "r+b") as file:
        file.seek(index * RECORD_BYTES)
        file.write(bytes([label]) + image.transpose(2, 0, 1).tobytes())


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in NAMES:
        with open(folder / name, "wb") as file:
            file.truncate(10_000 * RECORD_BYTES)
    return tmp_path


@pytest.mark.parametrize("nested", [True, False])
def test_reads_label_and_image(root, nested):
    folder = root / "cifar-10-batches-bin"
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    write_record(folder / "data_batch_3.bin", 17, 9, image)
    write_record(folder / "test_batch.bin", 9_999, 4, image[::-1])

    train = Cifar10(root if nested else folder, "train")
    assert len(train) == 50_000
    assert train.labels.dtype == np.int64
    assert np.flatnonzero(train.labels).tolist() == [20_017]
    assert train.labels[20_017] == 9
    assert np.array_equal(train.image(20_017), image)
    assert train.image(20_017).flags.c_contiguous
    assert not train.image(20_016).any()

    test = Cifar10(root, "test")
    assert (len(test), test.labels[-1]) == (10_000, 4)
    assert np.array_equal(test.image(9_999), image[::-1])


def test_load_gives_both_splits(root):
    train, validation = load("cifar10", str(root))
    assert (len(train), len(validation)) == (50_000, 10_000)


def test_class_names(root):
    assert Cifar10(root, "test").classes[:2] == ["airplane", "automobile"]
    names = [f"name{i}" for i in range(10)]
    meta = root / "cifar-10-batches-bin" / "batches.meta.txt"
    meta.write_text("\n".join(names) + "\n\n")
    assert Cifar10(root, "test").classes == names
    meta.write_text("only\nthree\nnames\n")
    with pytest.raises(DataError, match=r"batches\.meta\.txt: 3 class names where CIFAR-10 has 10"):
        Cifar10(root, "test")


def test_missing_file(root):
    (root / "cifar-10-batches-bin" / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_2\.bin: no such file of 30,730,000 bytes"):
        Cifar10(root, "train")


@pytest.mark.parametrize("size", [0, 30_729_999, 30_733_073])
def test_wrong_size(root, size):
    with open(root / "cifar-10-batches-bin" / "test_batch.bin", "r+b") as file:
        file.truncate(size)
    with pytest.raises(DataError, match=rf"test_batch\.bin: {size:,} bytes where .* 30,730,000"):
        Cifar10(root, "test")


def test_label_out_of_range(root):
    write_record(
        root / "cifar-10-batches-bin" / "test_batch.bin", 5, 10, np.zeros((32, 32, 3), np.uint8)
    )
    with pytest.raises(DataError, match=r"test_batch\.bin: damaged, it has a label above 9"):
        Cifar10(root, "test")


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Cifar10(tmp_path / "nowhere", "train")
