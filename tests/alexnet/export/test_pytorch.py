"""The code of a network for PyTorch, and what PyTorch computes with it."""

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.export import parity, pytorch
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn
from tests.alexnet import variants
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT
from tests.alexnet.variants import VARIANTS

PREPROCESSING = Preprocessing(image_size=99, mean=(120, 130, 90), scale=1 / 64)


@pytest.fixture(params=["alexnet", "owt"])
def checkpoint(request, monkeypatch):
    networks = {"alexnet": NarrowAlexNet, "owt": NarrowOWT}
    for name, network in networks.items():
        monkeypatch.setitem(ARCHITECTURES, name, network)
    model = networks[request.param](3, PREPROCESSING.image_size)
    return Checkpoint(request.param, list("abc"), PREPROCESSING, model=model.state_dict())


def tensors(torch, checkpoint):
    return {name: torch.from_numpy(array) for name, array in checkpoint.model.items()}


def test_pytorch_computes_the_same(torch, checkpoint):
    images = parity.demo_images(PREPROCESSING, 3)
    found = pytorch.compare(checkpoint, tensors(torch, checkpoint), images)
    assert found.other == f"PyTorch {torch.__version__}"
    assert found.images == found.same_top1 == 3
    assert found.relative < 1e-5 and found.largest > 0
    np.testing.assert_allclose(found.largest, abs(parity.logits(checkpoint, images)).max())


def test_another_parameter_is_seen(torch, checkpoint):
    changed = tensors(torch, checkpoint)
    changed["features.0.weight"] = 1.01 * changed["features.0.weight"]
    images = parity.demo_images(PREPROCESSING, 3)
    assert pytorch.compare(checkpoint, changed, images).relative > 1e-4


@pytest.mark.parametrize("name", VARIANTS)
def test_the_code_of_a_variant_is_the_same_network(torch, name):
    saved = variants.checkpoint(name)
    images = parity.demo_images(saved.preprocessing, 3)
    found = pytorch.compare(saved, tensors(torch, saved), images)
    assert found.relative < 1e-5 and found.same_top1 == 3


@pytest.mark.parametrize("name", VARIANTS)
def test_classes_are_printed_only_where_they_are_needed(name):
    code = pytorch.code(variants.build(name))
    needed = {kind for kind in pytorch.CLASSES if f"            {kind}(" in code}
    kind = VARIANTS[name].network.get("norm", {}).get("kind")
    own = {"columns": "ColumnNorm", "within": "WithinChannelNorm", "constant": "ConstantNorm"}
    if name.startswith("cifar") and kind is None:
        kind = "within"
    assert needed == ({own[kind]} if kind in own else set())
    assert {line[6:].split("(")[0] for line in code.splitlines() if line[:6] == "class "} == needed
    assert code.count("class ") == len(needed)
    assert max(map(len, code.splitlines())) <= 102


def test_every_constant_of_a_layer_is_in_the_code():
    with nn.init.skipped():
        code = pytorch.code(ARCHITECTURES["alexnet"](1000))
    for line in (
        "nn.Conv2d(3, 96, kernel_size=(11, 11), stride=4, padding=0, groups=1),",
        "nn.Conv2d(96, 256, kernel_size=(5, 5), stride=1, padding=2, groups=2),",
        "nn.LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2.0),",
        "nn.MaxPool2d(kernel_size=3, stride=2, padding=0),",
        "nn.Linear(9216, 4096),",
        "nn.Dropout(p=0.5),",
    ):
        assert line in code
    assert max(map(len, code.splitlines())) <= 100


@pytest.mark.parametrize("constant", ["k", "size", "alpha", "beta"])
def test_no_text_of_a_file_becomes_code(constant):
    hostile = {"norm": {constant: "1); print('executed'"}}
    checkpoint = Checkpoint("alexnet", list("abc"), PREPROCESSING, network=hostile)
    with pytest.raises(CheckpointError, match=f"norm: {constant} cannot be"):
        pytorch.compare(checkpoint, {}, parity.demo_images(PREPROCESSING, 1))
