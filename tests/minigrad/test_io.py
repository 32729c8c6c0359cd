"""Checkpoints: complete or not at all."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor

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


def test_nothing(tmp_path):
    io.save(tmp_path / "a", {})
    assert io.load(tmp_path / "a") == ({}, {})


@pytest.mark.parametrize("dtype", io.STORABLE_TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_and_byte_order(tmp_path, dtype, shape, order):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    io.save(tmp_path / "a", {"x": array.astype(dtype.newbyteorder(order))})
    loaded = io.load(tmp_path / "a")[0]["x"]
    assert loaded.dtype == dtype and np.array_equal(loaded, array) and loaded.shape == shape


@pytest.mark.parametrize(
    ("arrays", "metadata", "error", "message"),
    [
        ({"x": np.array(["text"])}, {}, TypeError, "x is <U4, which the file cannot hold"),
        ({"x": np.array([None])}, {}, TypeError, "x is object, which the file cannot hold"),
        ({"x": np.zeros(2, np.longdouble)}, {}, TypeError, "x is (float128|longdouble)"),
        ({"x": np.zeros(2, [("a", "f4")])}, {}, TypeError, "x is .*, which the file cannot"),
        ({"__metadata__": np.zeros(2)}, {}, ValueError, "no array can be called __metadata__"),
        ({3: np.zeros(2)}, {}, TypeError, "names must be strings, got 3"),
        ({"\udce9": np.zeros(2)}, {}, ValueError, "names must be text that UTF-8 can hold"),
        (ARRAYS, {"epoch": 3}, TypeError, "metadata must be strings, got 3"),
        (ARRAYS, {3: "epoch"}, TypeError, "metadata must be strings, got 3"),
        (ARRAYS, {"class": "\udce9"}, ValueError, "metadata must be text that UTF-8 can hold"),
    ],
)
def test_what_the_file_cannot_hold_is_named(tmp_path, arrays, metadata, error, message):
    io.save(tmp_path / "a", ARRAYS)
    with pytest.raises(error, match=f"save: {message}"):
        io.save(tmp_path / "a", arrays, metadata)
    assert io.load(tmp_path / "a")[0].keys() == ARRAYS.keys()
    assert os.listdir(tmp_path) == ["a"]


def test_threads_that_save_to_one_path(tmp_path, monkeypatch):
    def slowly(*arguments):
        serialize_file(*arguments)
        time.sleep(0.005)

    serialize_file = io.serialize_file
    monkeypatch.setattr(io, "serialize_file", slowly)

    def save(number):
        for _ in range(3):
            io.save(tmp_path / "a", {"x": np.full(100, number)})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save, range(4)))
    assert len(set(io.load(tmp_path / "a")[0]["x"].tolist())) == 1
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_who_may_read_it(tmp_path, umask, monkeypatch):
    before = os.umask(umask)
    try:
        # Even for a moment, another umask would hold for the files of other threads.
        monkeypatch.delattr(os, "umask")
        io.save(tmp_path / "a", ARRAYS)
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("step", ["io.serialize_file", "io.os.chmod", "io.os.replace"])
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
    header = b'{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    (tmp_path / "arrays").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(io.CheckpointError, match="is not a readable checkpoint: .*float8"):
        io.load(tmp_path / "arrays")


# 1 + n / 256: bfloat16 has 7 bits behind the point, and 1 + 1 / 256 lies halfway.
ONES_AND_MORE = 1 + np.arange(8, dtype=np.float32) / 256
NEAREST = 1 + np.array([0, 0, 1, 2, 2, 2, 3, 4], np.float32) / 128
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -ONES_AND_MORE[3]], "f4")
SPECIAL_NEAREST = np.array([0.0, -0.0, np.inf, -np.inf, np.inf, -np.inf, 0, -NEAREST[3]], "f4")


def test_bfloat16_is_the_nearest_or_the_even_one():
    for array, expected in ((ONES_AND_MORE, NEAREST), (SPECIAL, SPECIAL_NEAREST)):
        rounded = io.rounded(array, "bfloat16")
        assert rounded.dtype == np.float32 and rounded.tobytes() == expected.tobytes()
    nans = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000, 0xFF800001], np.uint32).view(np.float32)
    assert np.isnan(io.rounded(nans, "bfloat16")).all()
    assert io.rounded(np.array(ONES_AND_MORE[3]), "bfloat16").shape == ()


def test_bfloat16_is_that_of_pytorch(torch, rng):
    array = rng.integers(0, 2**32, 20_000, np.uint32).view(np.float32)
    expected = torch.from_numpy(array).bfloat16().float().numpy()
    np.testing.assert_array_equal(io.rounded(array, "bfloat16"), expected)


def test_float16_beyond_its_largest_number():
    array = np.array([65504, 65519, 65520, -1e30, 1 + 2**-11, 1 + 3 * 2**-11], np.float32)
    rounded = io.rounded(array, "float16")
    assert rounded.dtype == np.float16
    assert rounded.tolist() == [65504, 65504, np.inf, -np.inf, 1, 1 + 2**-9]


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (300,)])
def test_bfloat16_in_a_file(tmp_path, rng, shape):
    array = rng.standard_normal(shape, np.float32)
    path = tmp_path / "a"
    io.save(path, {"x": array, "y": array, "left.x": array}, {"k": "v"}, bfloat16=["x", "left.x"])
    arrays, metadata = io.load(path, leave_out="left.")
    assert list(arrays) == ["x", "y"] and metadata == {"k": "v"}
    assert arrays["x"].dtype == np.float32 and arrays["x"].shape == shape
    assert arrays["x"].tobytes() == io.rounded(array, "bfloat16").tobytes()
    assert arrays["y"].tobytes() == array.tobytes()
    assert arrays["x"].flags.writeable
    assert path.stat().st_size < 8 * array.size + 400


def test_other_numbers_are_not_stored_as_bfloat16(tmp_path):
    with pytest.raises(TypeError, match="only float32 arrays are rounded to bfloat16, got float64"):
        io.save(tmp_path / "a", {"x": np.zeros(2)}, bfloat16=["x"])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_files_of_pytorch_in_half_precision(tmp_path, torch, rng, dtype):
    from safetensors.torch import load_file, save_file

    array = torch.from_numpy(rng.standard_normal((3, 5), np.float32)).to(getattr(torch, dtype))
    save_file({"x": array, "y": torch.ones(2)}, tmp_path / "a", {"format": "pt"})
    arrays, metadata = io.load(tmp_path / "a")
    np.testing.assert_array_equal(arrays["x"], array.float().numpy())
    assert metadata == {"format": "pt"} and arrays["y"].tolist() == [1, 1]
    io.save(tmp_path / "b", {"x": np.float32(arrays["x"])}, bfloat16=["x"])
    assert torch.equal(load_file(tmp_path / "b")["x"], array.bfloat16())
