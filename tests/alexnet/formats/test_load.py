"""`alexnet.formats.load`: what a file holds is found out by its content."""

import os
from dataclasses import replace

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.formats import torch_file
from alexnet.formats.given import Given
from alexnet.formats.load import load
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from minigrad import Tensor, io, no_grad
from tests.alexnet.formats import torch_files
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT
from tests.torchvision_alexnet import NARROW, torchvision_alexnet

pytestmark = pytest.mark.usefixtures("narrow")
SIZE = 96  # of the images that logits are compared on


@pytest.fixture(scope="module")
def owt():
    return NarrowOWT(5).state_dict()


def test_run_folder_is_its_best_network(undisturbed):
    assert load(undisturbed).training == Checkpoint.load(undisturbed / BEST).training


def test_state_of_the_optimizer_is_left_out(undisturbed):
    loaded, saved = load(undisturbed / LAST), Checkpoint.load(undisturbed / LAST)
    assert not loaded.optimizer and saved.optimizer
    assert all(np.array_equal(loaded.model[name], saved.model[name]) for name in saved.model)


def test_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no run folder"):
        load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="a.pth is a pipe: give a file"):
        load(tmp_path / "a.pth")


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(CheckpointError, match="a.pth does not exist"):
        load(tmp_path / "a.pth")
    for content in (b"", b"GIF89a", b"{}", b"PK", bytes(100)):
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match="a.pth is not a readable checkpoint"):
            load(tmp_path / "a.pth")


def write(form, path, arrays):
    if form == "safetensors":
        io.save(path, arrays, {"format": "pt"})
    elif form == "zip":
        torch_file.save(path, arrays, {})
    else:
        path.write_bytes(torch_files.legacy_of(arrays))


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_content_decides_not_the_name(tmp_path, owt, form):
    path = tmp_path / "weights.jpg"
    write(form, path, owt)
    found = load(path, Given(classes=list("abcde"), image_size=SIZE))
    assert (found.architecture, found.classes) == ("owt", list("abcde"))
    assert found.preprocessing.image_size == SIZE
    assert all(np.array_equal(found.model[name], owt[name]) for name in owt)
    assert not found.arguments and not found.schedule


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_damaged_parameters_are_told_by_their_file(tmp_path, owt, form):
    path = tmp_path / "weights.pth"
    write(form, path, {name: array for name, array in owt.items() if name != "features.0.bias"})
    with pytest.raises(CheckpointError, match=r"^\S+weights.pth does not fit .* features.0.bias"):
        load(path)


@pytest.mark.parametrize("form", ["safetensors", "pth"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("network", [NarrowAlexNet, NarrowOWT])
def test_way_back_is_exact(tmp_path, network, dtype, form):
    """Preprocessing with a mean image, names of classes, settings: all of it comes back."""
    name = "owt" if network is NarrowOWT else "alexnet"
    mean_image = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE)).astype(np.float32)
    preprocessing = Preprocessing(
        image_size=SIZE, resize=99, mean=(1, 2, 3), mean_image=mean_image, scale=(0.5, 0.25, 0.125)
    )
    model = {n: io.rounded(a, dtype) for n, a in network(3, SIZE).state_dict().items()}
    saved = Checkpoint(name, ["ant", "蜂", "c"], preprocessing, {"lr": 0.1}, model=model)
    path = tmp_path / f"network.{form}"
    arrays, metadata = saved.packed(dtype, plain_names=True)
    halved = arrays if dtype == "bfloat16" else []
    if form == "pth":
        torch_file.save(path, arrays, metadata, halved)
    else:
        saved.save(path, dtype, plain_names=True)
    found = load(path)
    assert replace(found, model={}) == replace(saved, model={})
    assert np.array_equal(found.preprocessing.mean_image, mean_image)
    assert found.model.keys() == model.keys()
    for parameter, array in found.model.items():
        assert array.tobytes() == model[parameter].astype(np.float32).tobytes()
    assert load(path, Given(classes=list("xyz"))).classes == list("xyz")


def logits_of_pytorch(torch, network, images):
    with torch.no_grad():
        return network(torch.from_numpy(images)).numpy()


def logits_of_ours(checkpoint, images):
    with no_grad():
        return checkpoint.build()(Tensor(images)).numpy()


def assert_same_logits(ours, theirs):
    assert ours.shape == theirs.shape == (4, 5)
    assert abs(ours - theirs).max() < 1e-5 * abs(theirs).max()
    assert abs(theirs - theirs.mean(axis=0)).max() > 0.01 * abs(theirs).max()  # images differ


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_torchvisions_network_there_and_back(torch, tmp_path, is_zip):
    torch.manual_seed(0)
    theirs = torchvision_alexnet(torch, 5, **NARROW)
    path, back = tmp_path / "theirs.pth", tmp_path / "back.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=is_zip)
    images = np.random.default_rng(0).normal(size=(4, 3, SIZE, SIZE)).astype(np.float32) * 50
    expected = logits_of_pytorch(torch, theirs, images)

    ours = load(path, Given(image_size=SIZE))
    assert_same_logits(logits_of_ours(ours, images), expected)
    torch_file.save(back, *ours.packed(plain_names=True))

    again = torchvision_alexnet(torch, 5, **NARROW)
    state = torch.load(back, weights_only=True)
    again.load_state_dict(state)
    for name, tensor in theirs.state_dict().items():
        assert state[name].numpy().tobytes() == tensor.numpy().tobytes()
    assert np.array_equal(logits_of_pytorch(torch, again, images), expected)
    assert_same_logits(logits_of_ours(load(back), images), expected)
