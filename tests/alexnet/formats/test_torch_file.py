"""Files of PyTorch and of this project, read by the other one."""

import argparse
import collections
import zipfile

import numpy as np
import pytest

from alexnet.errors import CheckpointError
from alexnet.formats import torch_file
from tests.alexnet.formats import torch_files

FORMS = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])


def save(torch, value, path, is_zip):
    torch.save(value, path, _use_new_zipfile_serialization=is_zip)
    return path


def tensors(torch):
    """Every type, and every way in which the elements of a tensor lie in a storage."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(4, 6, generator=generator)
    with_attribute = torch.nn.Parameter(whole[2])
    with_attribute.note = "an attribute"
    return {
        "float32": whole,
        "float64": whole[0].double(),
        "float16": whole[1].half(),
        "bfloat16": torch.randn(5, generator=generator).bfloat16(),
        "transposed": whole.t(),
        "a part": whole[1:3, 2:5],
        "every second": whole.flatten()[1::2],
        "parameter": torch.nn.Parameter(whole[3]),
        "parameter with an attribute": with_attribute,
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(0.25),
        "a number of batches": torch.tensor(3),
        "a mask": torch.tensor([True]),
    }


def assert_equal(found, expected):
    floats = {n: t for n, t in expected.items() if t.is_floating_point()}
    assert list(found) == list(floats)
    for name, tensor in floats.items():
        array = (tensor.float() if name == "bfloat16" else tensor).detach().numpy()
        assert found[name].dtype == array.dtype, name
        assert np.array_equal(found[name], array), name
        assert found[name].flags.writeable and found[name].flags.c_contiguous


@FORMS
def test_every_kind_of_tensor(torch, tmp_path, is_zip):
    expected = tensors(torch)
    path = save(torch, expected, tmp_path / "a.pth", is_zip)
    found, metadata = torch_file.load(path)
    assert_equal(found, expected)
    assert metadata == {}


@FORMS
@pytest.mark.parametrize("place", torch_file.PLACES)
def test_checkpoints_of_training_scripts(torch, tmp_path, place, is_zip):
    network = torch.nn.Linear(3, 2)
    optimizer = {"state": {0: {"step": 1, "exp_avg": torch.ones(2, 3)}}, "param_groups": [{}]}
    value = {
        "epoch": 3,
        "best_acc1": torch.tensor(0.5),
        "loss": np.float64(0.25),
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu")),
        "optimizer": optimizer,
        place: network.state_dict(),
    }
    found, _ = torch_file.load(save(torch, value, tmp_path / "a.pth", is_zip))
    assert_equal(found, network.state_dict())


def test_protocol_4(torch, tmp_path):
    expected = collections.OrderedDict(tensors(torch))
    torch.save(expected, tmp_path / "a.pth", pickle_protocol=4)
    assert_equal(torch_file.load(tmp_path / "a.pth")[0], expected)


def test_elements_of_a_machine_of_the_other_byte_order(tmp_path):
    arrays = {"a": np.arange(3, dtype=np.float32), "b": np.ones(2, np.float16)}
    elements = {str(i): array.byteswap().tobytes() for i, array in enumerate(arrays.values())}
    path = tmp_path / "a.pth"
    path.write_bytes(torch_files.zip_bytes(torch_files.code_of(arrays), elements, byteorder="big"))
    found, _ = torch_file.load(path)
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_parameters_of_old_files(tmp_path):
    """Of Python 2 and PyTorch 0.1: pairs in a list; what is made gets its contents afterwards."""
    code = (
        b"\x80\x02ccollections\nOrderedDict\n](](U\1actorch.nn.parameter\nParameter\n)R"
        b"(ctorch\nFloatTensor\n)R"
        b"((U\7storagectorch\nFloatStorage\nU\1kU\3cpuK\6NtQK\1K\2K\2\x86K\2K\1\x86tb"
        b"\x88\x89NNtbee\x85R."
    )
    path = tmp_path / "a.pth"
    elements = np.arange(6, dtype=np.float32)
    path.write_bytes(torch_files.legacy_bytes(code, {"k": elements.tobytes()}, [4]))
    found, _ = torch_file.load(path)
    assert found["a"].tolist() == [[1, 2], [3, 4]]


def test_storage_that_is_a_part_of_another_one(tmp_path):
    """Of PyTorch before 0.4: elements 3 and 4 of the storage."""
    identity = b"(U\7storagectorch\nFloatStorage\nU\1kU\3cpuK\6U\1vK\3K\2\x87tQ"
    code = b"\x80\x02}U\1actorch._utils\n_rebuild_tensor\n(" + identity
    code += b"K\0K\2\x85K\1\x85tRs."
    path = tmp_path / "a.pth"
    elements = np.arange(6, dtype=np.float32)
    path.write_bytes(torch_files.legacy_bytes(code, {"k": elements.tobytes()}, [4]))
    assert torch_file.load(path)[0]["a"].tolist() == [3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "bfloat16"])
def test_pytorch_reads_what_is_written(torch, tmp_path, dtype):
    arrays = torch_files.arrays()
    kind = np.float32 if dtype == "bfloat16" else dtype
    arrays = {name: array.astype(kind) for name, array in arrays.items()}
    if dtype == "bfloat16":
        arrays = {
            name: torch.from_numpy(array).bfloat16().float().numpy()
            for name, array in arrays.items()
        }
    path, metadata = tmp_path / "a.pth", {"classes": '["é"]'}
    torch_file.save(path, arrays, metadata, arrays if dtype == "bfloat16" else ())
    for options in ({}, {"mmap": True}):
        loaded = torch.load(path, weights_only=True, **options)
        assert isinstance(loaded, collections.OrderedDict)
        assert list(loaded) == list(arrays)
        for name, array in arrays.items():
            assert loaded[name].dtype == getattr(torch, dtype)
            assert np.array_equal(loaded[name].to(getattr(torch, str(array.dtype))), array)
    found, found_metadata = torch_file.load(path)
    assert found_metadata == metadata
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()
        assert found[name].shape == array.shape


def test_numbers_are_rounded_to_the_nearest_bfloat16(torch, tmp_path, rng):
    array = rng.standard_normal((30, 40), np.float32)
    torch_file.save(tmp_path / "a.pth", {"x": array}, {}, ["x"])
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)["x"]
    assert torch.equal(loaded, torch.from_numpy(array).bfloat16())


def test_same_network_is_the_same_file(tmp_path):
    for name in "ab":
        torch_file.save(tmp_path / name, torch_files.arrays(), {"a": "b"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    torch_file.save(path, torch_files.arrays(), {})
    before = path.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "open", full)
    with pytest.raises(OSError, match="No space left"):
        torch_file.save(path, torch_files.arrays(1), {})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@FORMS
@pytest.mark.parametrize("value", [[], {}, {"a": 1}, 3, {"model": {"a": "b"}}, {"a": [1.5]}])
def test_file_without_parameters(torch, tmp_path, value, is_zip):
    path = save(torch, value, tmp_path / "a.pth", is_zip)
    with pytest.raises(CheckpointError, match="a.pth cannot be read .*: it holds no parameters; "):
        torch_file.load(path)


@FORMS
def test_whole_network_is_refused_with_advice(torch, tmp_path, is_zip):
    path = save(torch, torch.nn.Linear(2, 3), tmp_path / "a.pth", is_zip)
    with pytest.raises(CheckpointError) as refused:
        torch_file.load(path)
    assert str(refused.value) == (
        f"{path} is refused: as a pickle it could call 'torch.nn.modules.linear.Linear', and "
        "parameters need no such thing; save the parameters with "
        "torch.save(model.state_dict(), FILE)"
    )


def test_program_of_torchscript_is_refused_with_advice(tmp_path):
    program = torch_files.zip_bytes(b"\x80\x02}.", {}, **{"constants.pkl": b"\x80\x02}."})
    (tmp_path / "a.pth").write_bytes(program)
    with pytest.raises(CheckpointError, match="it is a program for TorchScript"):
        torch_file.load(tmp_path / "a.pth")
