"""ONNX files: what other programs compute with them, what they say, and what is refused."""

import errno
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

import minigrad
from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError, exit_code
from alexnet.export import onnx_file, parity
from alexnet.inference.layers import named_layers
from alexnet.inference.trained import Trained
from alexnet.model import ARCHITECTURES, AlexNet, AlexNetOWT
from alexnet.run.checkpoint import Checkpoint
from minigrad import Tensor, nn, optim
from minigrad import functional as F
from tests import files_of_docs
from tests.alexnet import variants
from tests.alexnet.runs import ROOT
from tests.alexnet.variants import VARIANTS

ODD_SIZES = 67, 115
TOLERANCE = 1e-5  # of the largest logit


@pytest.fixture(scope="module", params=["alexnet", "owt"])
def arch(request):
    return request.param


@pytest.fixture(scope="module", params=ODD_SIZES)
def preprocessing(request):
    return Preprocessing(image_size=request.param, mean=(90, 120, 140), scale=1 / 64)


@pytest.fixture(scope="module")
def images(preprocessing):
    return parity.demo_images(preprocessing, 100)


@pytest.fixture(scope="module")
def trained(narrow, arch, preprocessing, images):
    """A narrow network after some steps on the images: its classes differ."""
    minigrad.manual_seed(0)
    demo = DemoDataset("validation", len(images))
    model = ARCHITECTURES[arch](len(demo.classes), preprocessing.image_size)
    optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    inputs = Tensor(parity.prepared(preprocessing, images))
    for _ in range(10):
        F.cross_entropy(model(inputs), demo.labels).backward()
        optimizer.step()
        model.zero_grad()
    return Checkpoint(arch, demo.classes, preprocessing, model=model.state_dict())


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    onnx_file.save(trained, path)
    return path


def checkpoint_of(arch, size=67, network=None, **preprocessing):
    """A network of three classes in which every layer and every bias matters."""
    # Repeated, for the sake of time: drawing 57 million takes longer than computing with them.
    values = np.random.default_rng(0).standard_normal(1_000_003, np.float32)
    with nn.init.skipped():
        model = ARCHITECTURES[arch](3, size, **(network or {}))
    for parameter in model.parameters():
        std = np.sqrt(2 / nn.init.fans(parameter.shape)[0]) if parameter.ndim > 1 else 0.1
        parameter.data[...] = np.resize(values, parameter.shape) * std
    inputs = Preprocessing(image_size=size, mean=(90, 120, 140), **preprocessing)
    return Checkpoint(
        arch, ["a", "b", "c"], inputs, model=model.state_dict(), network=network or {}
    )


def require_parity(checkpoint, path, images):
    found = onnx_file.compare(checkpoint, path, images)
    assert found.relative < TOLERANCE and found.same_top1 == found.images == len(images), found
    return found


# -- what it computes ---------------------------------------------------------------------


def test_a_trained_network_on_100_images(trained, file, images):
    found = require_parity(trained, file, images)
    assert found.other == f"onnxruntime {onnxruntime.__version__}"
    assert found.largest > 0.1, "the logits say something"


@pytest.mark.parametrize("count", [1, 7])
def test_any_number_of_images(trained, file, images, count):
    require_parity(trained, file, images[:count])


def test_probabilities(file, images):
    session = onnxruntime.InferenceSession(file)
    logits, probabilities = session.run(None, {"images": images[:5]})
    exponentials = np.exp(np.float64(logits))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


@pytest.mark.parametrize("network", [AlexNet, AlexNetOWT])
def test_the_networks_at_their_own_size(network, monkeypatch, tmp_path):
    monkeypatch.setitem(ARCHITECTURES, "full", network)
    checkpoint = checkpoint_of("full", network.default_image_size, scale=1 / 64)
    path = tmp_path / "network.onnx"
    onnx_file.save(checkpoint, path)
    require_parity(checkpoint, path, parity.demo_images(checkpoint.preprocessing, 2))


def test_a_mean_image(narrow, arch, tmp_path, rng):
    mean = rng.uniform(60, 190, (3, 67, 67)).astype(np.float32)
    checkpoint = checkpoint_of(arch, mean_image=mean, scale=1 / 64)
    onnx_file.save(checkpoint, tmp_path / "network.onnx")
    images = parity.demo_images(checkpoint.preprocessing)
    require_parity(checkpoint, tmp_path / "network.onnx", images)


def test_colors_of_different_scales(narrow, arch, tmp_path):
    checkpoint = checkpoint_of(arch, scale=(1 / 50, 1 / 60, 1 / 70))
    onnx_file.save(checkpoint, tmp_path / "network.onnx")
    images = parity.demo_images(checkpoint.preprocessing)
    require_parity(checkpoint, tmp_path / "network.onnx", images)


CAFFE = {"k": 1, "alpha": 1e-4, "beta": 0.75, "size": 5}


@pytest.mark.parametrize(
    "network",
    [{"norm": CAFFE}, {"norm": CAFFE, "pool_before_norm": True}, {"norm": {"size": 3, "beta": 1}}],
)
def test_variants_of_the_network(narrow, network, tmp_path):
    """Raw pixels, as Caffe's networks get them, let the normalization matter."""
    checkpoint, path = checkpoint_of("alexnet", 67, network), tmp_path / "network.onnx"
    onnx_file.save(checkpoint, path)
    onnx.checker.check_model(path, full_check=True)
    require_parity(checkpoint, path, parity.demo_images(checkpoint.preprocessing))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_the_networks(name, monkeypatch, tmp_path):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", AlexNet)  # with a width of its own
    monkeypatch.setitem(ARCHITECTURES, "owt", AlexNetOWT)
    checkpoint, path = variants.checkpoint(name), tmp_path / "network.onnx"
    onnx_file.save(checkpoint, path)
    onnx.checker.check_model(path, full_check=True)
    require_parity(checkpoint, path, parity.demo_images(checkpoint.preprocessing))


@pytest.mark.parametrize("size", [32, 12, 37])
@pytest.mark.parametrize("pooling", ["overlapping", "plain"])
def test_averages_over_the_pixels_inside_in_onnx_itself(size, pooling, tmp_path):
    """ONNX's own evaluator beside ours: windows that hang over the edges."""
    checkpoint = checkpoint_of("cifar", size, {"pooling": pooling}, scale=1 / 64)
    path = tmp_path / "network.onnx"
    onnx_file.save(checkpoint, path)
    images = parity.demo_images(checkpoint.preprocessing, 2)
    require_parity(checkpoint, path, images)
    own = parity.logits(checkpoint, images)
    (logits,) = ReferenceEvaluator(str(path)).run(["logits"], {"images": images})
    assert parity.Parity.of("ReferenceEvaluator", own, logits).relative < TOLERANCE


@pytest.mark.parametrize("size", [63, 90, 127])
def test_windows_of_the_average(narrow, size, tmp_path):
    """One window of one pixel, of overlapping windows, and ONNX's own evaluator beside ours.

    The evaluator normalizes over the images of a batch, not over channels (onnx issue 7805), so
    only the network without normalization can be compared with it.
    """
    checkpoint = checkpoint_of("owt", size, scale=1 / 64)
    path = tmp_path / "network.onnx"
    onnx_file.save(checkpoint, path)
    images = parity.demo_images(checkpoint.preprocessing, 2)
    (logits,) = ReferenceEvaluator(str(path)).run(["logits"], {"images": images})
    own = parity.logits(checkpoint, images)
    assert parity.Parity.of("ReferenceEvaluator", own, logits).relative < TOLERANCE
    require_parity(checkpoint, path, images)


# -- what it says -------------------------------------------------------------------------


def test_the_full_check(file):
    onnx.checker.check_model(file, full_check=True)
    model = onnx.load(file)
    assert (model.ir_version, [o.version for o in model.opset_import]) == (7, [13])


def shapes(values):
    return {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in values
    }


def test_shapes_are_those_that_onnx_infers(trained, file):
    model, size = onnx.load(file), trained.preprocessing.image_size
    assert shapes(model.graph.input) == {"images": ["N", size, size, 3]}
    assert shapes(model.graph.output) == {"logits": ["N", 10], "probabilities": ["N", 10]}
    stored = shapes(model.graph.value_info)
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    assert shapes(inferred.graph.value_info) == stored


def test_nodes_are_called_as_the_layers(trained, file):
    nodes = onnx.load(file).graph.node
    layers = [name for name in named_layers(trained.build()) if not name.startswith("drop")]
    added = [node.name for node in nodes if node.name not in layers]
    assert [node.name for node in nodes if node.name in layers] == layers
    averages = ["avgpool5.over_rows"] if trained.architecture == "owt" else []
    preprocessing = ["cast", "subtract_mean", "multiply_by_scale", "channels_first"]
    assert added == [*preprocessing, *averages, "softmax"]
    outputs = [name for node in nodes for name in node.output]
    assert outputs == [
        {"fc8": "logits", "softmax": "probabilities"}.get(n.name, n.name) for n in nodes
    ]


def test_an_average_of_single_pixels_is_left_out(narrow, tmp_path):
    checkpoint = checkpoint_of("owt", 224)
    onnx_file.save(checkpoint, tmp_path / "network.onnx")
    assert "avgpool5" not in {n.name for n in onnx.load(tmp_path / "network.onnx").graph.node}


def metadata(model):
    return {entry.key: json.loads(entry.value) for entry in model.metadata_props}


def test_the_metadata(trained, file):
    model, inputs = onnx.load(file), trained.preprocessing
    assert metadata(model) == {
        "architecture": trained.architecture,
        "classes": trained.classes,
        "preprocessing": {"resize": inputs.resize, "crop": inputs.image_size},
        "settings": {},
        "training": {},
    }
    assert (model.producer_name, model.producer_version) == (
        "minigrad-alexnet",
        minigrad.__version__,
    )
    assert f"resized to {inputs.resize}x{inputs.resize} pixels" in model.doc_string


def test_how_it_was_trained_without_folders_of_the_machine(narrow, tmp_path):
    checkpoint, path = checkpoint_of("alexnet"), tmp_path / "network.onnx"
    checkpoint.arguments = {"data": "folder", "epochs": 3, "data_root": "/home/somebody"}
    checkpoint.training = {"epoch": 3, "best_epoch": 2, "best_top1": 0.5, "lr": 0.01}
    onnx_file.save(checkpoint, path)
    entries = metadata(onnx.load(path))
    assert entries["settings"] == {"data": "folder", "epochs": 3}
    assert entries["training"] == {"epoch": 3, "best_epoch": 2, "best_top1": 0.5}
    assert b"somebody" not in path.read_bytes()


def test_classes_of_any_name(narrow, tmp_path):
    checkpoint, path = checkpoint_of("alexnet"), tmp_path / "network.onnx"
    checkpoint.classes = ['Ünï, "x"', "\n", "\ud800"]
    onnx_file.save(checkpoint, path)
    assert metadata(onnx.load(path))["classes"] == checkpoint.classes


def test_the_same_file_each_time(narrow, tmp_path):
    paths, checkpoint = (tmp_path / "a.onnx", tmp_path / "b.onnx"), checkpoint_of("owt")
    for path in paths:
        onnx_file.save(checkpoint, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_example_of_the_docs_says_what_predict_says(narrow, tmp_path):
    """tests/test_docs.py runs it, and compares with what the page shows."""
    files_of_docs.weights(tmp_path)
    files_of_docs.flowers().save(tmp_path / "flowers.safetensors")
    network = Trained(tmp_path / "flowers.safetensors", workers=0)
    found = network.predict(tmp_path / "flower.png")
    expected = f"{found.predicted}, {found.probability:.1%}"
    assert f"```text\n{expected}\n```" in (ROOT / "docs/weights.md").read_text(encoding="utf-8")


# -- what it refuses ----------------------------------------------------------------------


def test_a_missing_folder(narrow, tmp_path):
    path = tmp_path / "missing" / "network.onnx"
    with pytest.raises(FileNotFoundError, match=str(path)):
        onnx_file.save(checkpoint_of("alexnet"), path)


@pytest.mark.parametrize("step", ["alexnet.files.os.fsync", "alexnet.files.os.replace"])
def test_a_full_disk_leaves_the_old_file(narrow, step, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "network.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match=str(path)):
        onnx_file.save(checkpoint_of("alexnet"), path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def test_onnx_is_not_installed(narrow, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError) as caught:
        onnx_file.save(checkpoint_of("alexnet"), tmp_path / "network.onnx")
    assert exit_code(caught.value) == (2, caught.value) and str(caught.value) == (
        "an .onnx file needs onnx, which is not installed: pip install onnx"
    )
    assert not os.listdir(tmp_path)


def test_onnxruntime_is_not_installed(narrow, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="onnxruntime"):
        onnx_file.compare(checkpoint_of("alexnet"), tmp_path / "network.onnx", None)


def test_a_network_that_is_too_large(narrow, tmp_path, monkeypatch):
    checkpoint = checkpoint_of("alexnet")
    monkeypatch.setattr(onnx_file, "LARGEST_FILE", 2**20 + 10**5)
    with pytest.raises(UsageError) as caught:
        onnx_file.save(checkpoint, tmp_path / "network.onnx")
    assert "holds at most 0.0 GB, and this network of 3 classes has 0.0 GB" in str(caught.value)
    assert not os.listdir(tmp_path)


def test_a_normalization_that_onnx_has_no_operator_for(narrow, tmp_path):
    checkpoint = checkpoint_of("alexnet", network={"norm": {"size": 4}})
    with pytest.raises(UsageError) as caught:
        onnx_file.save(checkpoint, tmp_path / "network.onnx")
    assert str(caught.value) == (
        "ONNX has no operator for norm1, LocalResponseNorm(4, alpha=0.0005, beta=0.75, k=2.0): "
        "choose a .safetensors file"
    )
    assert not os.listdir(tmp_path)
