"""Files of every form hold the network, and what cannot be written is refused before."""

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError
from alexnet.export.save import SUFFIXES, require_form, save
from alexnet.formats.load import load
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from minigrad import io
from tests.alexnet.narrow import NarrowAlexNet

FORMS = [(".safetensors", "own"), (".safetensors", "torchvision"), (".pth", "own"), (".PT", "own")]


@pytest.fixture
def checkpoint(monkeypatch, rng):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    preprocessing = Preprocessing(
        image_size=67,
        mean=(1.0, 2.0, 3.0),
        mean_image=rng.random((3, 67, 67), np.float32),
        scale=(0.5, 0.25, 1 / 3),
    )
    return Checkpoint(
        "alexnet",
        ["ant", "b\u00e9e"],
        preprocessing,
        arguments={"lr": 0.01, "data_root": "/home/ann"},
        data={"validation": {"images": 7, "sha256": "ab"}},
        training={"epoch": 3, "best_epoch": 3, "best_top1": 0.5},
        schedule={"steps": 7},
        network={"norm": {"k": 1.0}},
        model=NarrowAlexNet(2, 67).state_dict(),
        optimizer={"0.0.velocity": np.zeros(3)},
    )


@pytest.mark.parametrize("suffix, names", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_is_written_comes_back(checkpoint, tmp_path, suffix, names, dtype):
    path = tmp_path / f"a{suffix}"
    saved = save(checkpoint, path, names=names, dtype=dtype)
    loaded = load(path)
    for name, array in checkpoint.model.items():
        expected = io.rounded(array, dtype).astype(np.float32)
        for found in (saved.model[name], loaded.model[name]):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)
    assert loaded.preprocessing == checkpoint.preprocessing
    np.testing.assert_array_equal(
        loaded.preprocessing.mean_image, checkpoint.preprocessing.mean_image
    )
    assert loaded.training.get("rounded_to", []) == ([] if dtype == "float32" else [dtype])
    assert loaded.arguments == {"lr": 0.01}
    for name in ("classes", "data", "network", "training", "schedule", "optimizer"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert (loaded.classes, loaded.network) == (checkpoint.classes, {"norm": {"k": 1.0}})
    assert b"/home/ann" not in path.read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_pytorch_reads_the_type_that_was_asked_for(checkpoint, tmp_path, torch, dtype):
    from safetensors.torch import load_file

    save(checkpoint, tmp_path / "a.pth", dtype=dtype)
    save(checkpoint, tmp_path / "a.safetensors", names="torchvision", dtype=dtype)
    pickled = torch.load(tmp_path / "a.pth", weights_only=True)
    for tensors in (pickled, load_file(tmp_path / "a.safetensors")):
        assert tensors.keys() == checkpoint.model.keys()
        for name, array in checkpoint.model.items():
            expected = torch.from_numpy(array).to(getattr(torch, dtype))
            assert tensors[name].dtype == expected.dtype and torch.equal(tensors[name], expected)


@pytest.mark.parametrize(
    "name, form, expected",
    [
        ("a.bin", {}, "a.bin does not end in .safetensors, .pth, .pt or .onnx"),
        ("a", {}, "a does not end in .safetensors, .pth, .pt or .onnx"),
        ("a.pth", {"dtype": "int8"}, "dtype must be float32, float16, bfloat16, got 'int8'"),
        ("a.pth", {"names": "caffe"}, "names must be own, torchvision, got 'caffe'"),
        (
            "a.onnx",
            {"dtype": "float16"},
            "a.onnx: an .onnx file has parameters of float32, not float16",
        ),
        (
            "a.ONNX",
            {"names": "torchvision"},
            "a.ONNX: the names in an .onnx file are those of layers, not torchvision's",
        ),
    ],
)
def test_what_cannot_be_written(checkpoint, tmp_path, monkeypatch, name, form, expected):
    monkeypatch.chdir(tmp_path)
    for refuse in (require_form, lambda path, **form: save(checkpoint, path, **form)):
        with pytest.raises(UsageError) as raised:
            refuse(tmp_path.relative_to(tmp_path) / name, **form)
        assert str(raised.value) == expected
    assert not list(tmp_path.iterdir())


def test_every_suffix_is_written(checkpoint, tmp_path):
    for suffix in SUFFIXES:
        save(checkpoint, tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").stat().st_size > 100_000
