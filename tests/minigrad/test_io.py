"""Checkpoints: complete or not at all."""

import errno
import os

import numpy as np
import pytest

from minigrad import io, nn

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}


def test_round_trip(tmp_path):
    path = tmp_path / "model.safetensors"
    transposed = np.arange(6.0).reshape(2, 3).T
    io.save(path, {**ARRAYS, "c": transposed}, {"epoch": "3", "name": "é"})
    arrays, metadata = io.load(path)
    assert metadata == {"epoch": "3", "name": "é"}
    assert arrays["a.weight"].dtype == np.float32 and arrays["b"].shape == ()
    assert np.array_equal(arrays["a.weight"], ARRAYS["a.weight"])
    assert np.array_equal(arrays["c"], transposed)
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_no_metadata(tmp_path):
    io.save(tmp_path / "a", ARRAYS)
    assert io.load(tmp_path / "a")[1] == {}


def test_what_is_left_out(tmp_path):
    io.save(tmp_path / "a", {"a.x": np.zeros(2), "b.a.x": np.ones(2)}, {"text": "t"})
    arrays, metadata = io.load(tmp_path / "a", leave_out="a.")
    assert list(arrays) == ["b.a.x"]
    assert metadata == {"text": "t"}


@pytest.mark.parametrize("step", ["io.save_file", "io.os.chmod", "io.os.replace"])
def test_failure_at_any_step_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "model.safetensors"
    io.save(path, ARRAYS, {"version": "old"})

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(f"minigrad.{step}", fail)
    with pytest.raises(OSError, match="disk full"):
        io.save(path, ARRAYS, {"version": "new"})
    assert io.load(path)[1] == {"version": "old"}
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_missing_file(tmp_path):
    with pytest.raises(io.CheckpointError, match=r"checkpoint .*none does not exist"):
        io.load(tmp_path / "none")


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "header"])
def test_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "model.safetensors"
    io.save(path, ARRAYS)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-4],
            "text": b"not a checkpoint at all",
            "header": b"\xff" * 8 + whole[8:],
        }[damage]
    )
    with pytest.raises(io.CheckpointError, match="model.safetensors is not a readable checkpoint"):
        io.load(path)


def test_directory_is_not_a_checkpoint(tmp_path):
    with pytest.raises(io.CheckpointError, match="is not a readable checkpoint"):
        io.load(tmp_path)


def test_module_round_trip(tmp_path):
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    io.save(tmp_path / "m", model.state_dict())
    other.load_state_dict(io.load(tmp_path / "m")[0])
    for ours, theirs in zip(model.parameters(), other.parameters()):
        assert np.array_equal(ours.data, theirs.data) and ours.data is not theirs.data


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    io.save(tmp_path / "arrays", {"a": np.zeros(3)})
    assert (tmp_path / "arrays").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_numbers_that_numpy_does_not_have(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "arrays").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(io.CheckpointError, match="is not a readable checkpoint"):
        io.load(tmp_path / "arrays")
