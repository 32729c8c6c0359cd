"""Checkpoints for others: what stays, what goes, and how parameters are rounded."""

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError
from alexnet.export.slim import slim
from alexnet.run.checkpoint import Checkpoint
from minigrad import io

PREPROCESSING = Preprocessing(image_size=67, mean=(1.0, 2.0, 3.0))
WEIGHT = np.array([0.1, -1 / 3, 65000.0], np.float32)


def checkpoint(**fields):
    values = {"model": {"fc8.weight": WEIGHT}, **fields}
    return Checkpoint("alexnet", ["ant", "bee"], PREPROCESSING, **values)


def complete():
    return checkpoint(
        arguments={
            **{"data": "folder", "data_root": "/home/ann/photos", "train_root": "/t"},
            **{"val_root": "/v", "init_from": "/home/ann/owt.pth", "seed": 3, "lr": 0.01},
            **{"backend": "cuda", "workers": 8},
            "of_a_later_version": "/home/ann/secret",
        },
        data={"validation": {"images": 7, "sha256": "ab"}},
        training={
            **{"epoch": 3, "step": 1, "best_top1": 0.5, "best_epoch": 2, "seconds": 4.0},
            "loss": {"total": 1.5, "count": 7},
        },
        schedule={"steps": 12},
        random_keys={"seed": 3, "call": 41},
        optimizer={"0.0.velocity": np.zeros(3, np.float32)},
    )


def test_what_stays():
    before, after = complete(), slim(complete())
    assert after.arguments == {"data": "folder", "seed": 3, "lr": 0.01, "init_from": "owt.pth"}
    assert after.training == {"epoch": 3, "step": 1, "best_top1": 0.5, "best_epoch": 2}
    assert after.schedule == after.random_keys == after.optimizer == {}
    for name in ("architecture", "classes", "preprocessing", "data"):
        assert getattr(after, name) == getattr(before, name)
    np.testing.assert_array_equal(after.model["fc8.weight"], WEIGHT)


def test_a_path_of_another_system():
    stored = {"init_from": r"C:\Users\Ann\owt.pth"}
    assert slim(checkpoint(arguments=stored)).arguments == {"init_from": "owt.pth"}
    assert slim(checkpoint(arguments={"init_from": None})).arguments == {}


def test_again_and_again():
    once = slim(complete(), "float16")
    assert once.training["rounded_to"] == ["float16"]
    assert slim(once).training["rounded_to"] == ["float16"]
    assert slim(once, "float16").training["rounded_to"] == ["float16"]
    twice = slim(once, "bfloat16")
    assert twice.training["rounded_to"] == ["float16", "bfloat16"]
    expected = io.rounded(np.float32(io.rounded(WEIGHT, "float16")), "bfloat16")
    np.testing.assert_array_equal(twice.model["fc8.weight"], expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_a_file_holds_is_what_was_rounded(tmp_path, dtype):
    rounded = slim(complete(), dtype)
    rounded.save(tmp_path / "a", dtype)
    loaded = Checkpoint.load(tmp_path / "a").model["fc8.weight"]
    assert rounded.model["fc8.weight"].dtype == loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, rounded.model["fc8.weight"])
    np.testing.assert_array_equal(loaded, np.float32(io.rounded(WEIGHT, dtype)))


def test_numbers_that_a_type_cannot_hold():
    large = {"fc6.weight": np.array([1, -70_000], np.float32)}
    with pytest.raises(UsageError) as raised:
        slim(checkpoint(model=large), "float16")
    assert str(raised.value) == (
        "fc6.weight reaches 7e+04, more than float16 can hold: choose another dtype"
    )
    assert slim(checkpoint(model=large), "bfloat16").model["fc6.weight"].tolist() == [1, -70144]
