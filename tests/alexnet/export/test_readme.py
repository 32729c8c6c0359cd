"""The page beside a file: its code runs, and it says nothing false."""

import contextlib
import dataclasses
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import Preprocessing, central_view
from alexnet.export import parity, readme
from alexnet.export.save import save
from alexnet.export.slim import slim
from alexnet.model import ARCHITECTURES, PAPER_NORM, AlexNet
from alexnet.run.checkpoint import Checkpoint
from tests.alexnet import variants
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NETWORKS = {"alexnet": NarrowAlexNet, "owt": NarrowOWT}
SIZE = 70
FILES = [(".safetensors", "own"), (".safetensors", "torchvision"), (".pth", "own")]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    for name, network in NETWORKS.items():
        monkeypatch.setitem(ARCHITECTURES, name, network)


def checkpoint(architecture="alexnet", mean_image=False, scale=1 / 64, **fields):
    image = np.random.default_rng(0).random((3, SIZE, SIZE), np.float32) * 200
    preprocessing = Preprocessing(
        image_size=SIZE,
        mean=(124.25, 117.1, 104.0),
        mean_image=image if mean_image else None,
        scale=scale,
    )
    model = NETWORKS[architecture](3, SIZE).state_dict()
    return Checkpoint(architecture, ["ant", "bee", "cat"], preprocessing, model=model, **fields)


def run(page):
    """What the Python blocks of a page leave and print."""
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for code in BLOCK.findall(page):
            exec(code, namespace)
    return namespace, printed.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text on this system")
def test_a_name_that_is_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.pth")
    assert readme.write(checkpoint(), path)
    assert r"torch.load('\udcff.pth', " in readme.path_beside(path).read_text("utf-8")


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("suffix, names", FILES)
@pytest.mark.parametrize("mean_image", [False, True], ids=["mean", "mean image"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_code_for_pytorch(
    torch, tmp_path, monkeypatch, architecture, suffix, names, mean_image, dtype
):
    monkeypatch.chdir(tmp_path)
    pixels = DemoDataset("validation").image(2)[:200]
    Image.fromarray(pixels).save("image.png")
    file = tmp_path / f"my 'net'{suffix}"
    before = checkpoint(architecture, mean_image, scale=(1 / 58, 1 / 57, 0.125))
    saved = save(before, file, names=names, dtype=dtype)
    assert readme.write(saved, file, names)
    namespace, printed = run(readme.path_beside(file).read_text("utf-8"))
    assert_same_prediction(saved, pixels, namespace, printed)


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("mean_image", [False, True], ids=["mean", "mean image"])
def test_the_code_for_onnxruntime(tmp_path, monkeypatch, architecture, mean_image):
    monkeypatch.chdir(tmp_path)
    pixels = DemoDataset("validation").image(2)[:, :180]
    Image.fromarray(pixels).save("image.png")
    file = tmp_path / "my 'net'.onnx"
    saved = save(checkpoint(architecture, mean_image), file)
    assert readme.write(saved, file)
    namespace, printed = run(readme.path_beside(file).read_text("utf-8"))
    assert "prepared" not in namespace
    assert_same_prediction(saved, pixels, namespace, printed)


def test_the_code_for_a_variant(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = DemoDataset("validation").image(2)
    Image.fromarray(pixels).save("image.png")
    variant = {"norm": {**PAPER_NORM, "k": 1.0, "alpha": 1e-4}, "pool_before_norm": True}
    saved = save(dataclasses.replace(checkpoint(), network=variant), tmp_path / "a.pth")
    page = readme.as_markdown(saved, tmp_path / "a.pth")
    different = "but norm with size 5, alpha 0.0001, beta 0.75, k 1 and pool before norm. It has"
    assert f", its two columns as groups, {different}" in page
    assert "nn.LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)," in page
    assert page.index("nn.MaxPool2d") < page.index("nn.LocalResponseNorm")
    assert_same_prediction(saved, pixels, *run(page))


@pytest.mark.parametrize("name", ["all at once", "norm constant", "cifar", "cifar, tanh"])
@pytest.mark.parametrize("suffix", [".pth", ".onnx"])
def test_the_code_for_other_networks(torch, tmp_path, monkeypatch, name, suffix):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", AlexNet)
    monkeypatch.chdir(tmp_path)
    pixels = DemoDataset("validation").image(2)
    Image.fromarray(pixels).save("image.png")
    saved = save(variants.checkpoint(name), tmp_path / f"a{suffix}")
    page = readme.as_markdown(saved, tmp_path / f"a{suffix}")
    assert_same_prediction(saved, pixels, *run(page))


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "all at once",
            "but norm of the kind columns with size 3, alpha 0.5, beta 0.75, k 1.5 and pool before "
            "norm and activation tanh and the columns as one and width 0.05 (conv5 0.1, fc7 0.02) "
            "and without conv4. It has",
        ),
        ("norm constant", "but width 0.05 and norm of the kind constant with gain 0.625. It has"),
        ("norm none", "as groups, but width 0.05 and without norm. It has"),
        ("without both", "as groups, but width 0.05 and without conv3 and conv4. It has"),
        ("plain pooling", "as groups, but width 0.05 and pooling plain. It has"),
        ("cifar", "the network for CIFAR-10 of cuda-convnet (Krizhevsky 2011). It has 82,403"),
        ("cifar, norm across", "but norm of the kind across with size 5, alpha 0.5, beta 0.75, k"),
        ("cifar, norm within", "but norm with size 3, alpha 0.5, beta 0.75, k 1.5 and width 0.25"),
    ],
)
def test_the_page_tells_the_variant(monkeypatch, name, expected):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", AlexNet)
    page = readme.as_markdown(variants.checkpoint(name), Path("a.pth"))
    assert expected in page


def assert_same_prediction(saved, pixels, namespace, printed):
    images = readme_crop(saved.preprocessing, pixels)
    np.testing.assert_array_equal(namespace["crop"]("image.png"), images[0])
    expected = parity.prepared(saved.preprocessing, images)
    if "prepared" in namespace:
        input = namespace["prepared"]("image.png")
        assert input.dtype == np.float32
        np.testing.assert_allclose(input, expected, rtol=1e-5, atol=1e-5)
    logits = np.float64(parity.logits(saved, images)[0])
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    best = int(logits.argmax())
    name = f"class {best}" if "prepared" in namespace else saved.classes[best]
    assert printed == f"{name} with probability {probabilities[best]:.3f}\n"


def readme_crop(preprocessing, pixels):
    return central_view(pixels, preprocessing).crop[np.newaxis]


def test_a_variant_that_is_none():
    plain = dataclasses.replace(checkpoint(), network={"pool_before_norm": False})
    assert "as groups. It has" in readme.as_markdown(plain, Path("a.pth"))


def text_of(section, page):
    return page.split(f"\n## {section}\n\n")[1].split("\n\n## ")[0]


def test_the_page_of_a_run(tmp_path):
    before = checkpoint(
        arguments={
            **{"data": "folder", "data_root": "/home/ann/photos", "lr": 0.01, "subset": None},
            "weight_decay": {"default": 0.0005, "conv1": 0.01},
        },
        data={"training": {"images": 1000, "sha256": ""}, "validation": {"images": 400}},
        training={"epoch": 3, "step": 0, "best_top1": 0.5, "best_epoch": 3},
    )
    page = readme.as_markdown(slim(before), tmp_path / "a.safetensors")
    assert text_of("Accuracy", page) == (
        "Top-1 accuracy 50.0% (95% interval 45.1% to 54.9%) on 400 validation images of its run, "
        "one view of each. The run kept the epoch that was best on these very images, so on others "
        "expect less."
    )
    assert text_of("Training", page) == (
        "3 epochs, 1,000 images each, with these settings:\n\n| setting | value |\n| --- | --- |\n"
        "| data | folder |\n| lr | 0.01 |\n| weight decay | 0.0005,conv1=0.01 |"
    )
    assert "/home" not in page and str(tmp_path) not in page
    assert "| conv1 | Conv2d | 10x15x15 | 3,640 |" in page
    assert "python -m alexnet.predict a.safetensors image.png" in page
    assert "parameters (float32)" in page
    assert "`alexnet.load('a.safetensors').predict(\"image.png\")`" in page


@pytest.mark.parametrize(
    "training, expected",
    [
        ({}, "Not known: the file that this one was made from does not tell."),
        (
            {"epoch": 4, "step": 0, "best_top1": 0.5, "best_epoch": 3},
            "Not known: this is the network after 4 epochs and 0 steps of another one. After epoch "
            "3, the best one, it had top-1 accuracy 50.0% on 400 validation images.",
        ),
        (
            {"epoch": 3, "step": 1, "best_top1": 0.5, "best_epoch": 3},
            "Not known: this is the network after 3 epochs and 1 step of another one. After epoch "
            "3, the best one, it had top-1 accuracy 50.0% on 400 validation images.",
        ),
        (
            {"epoch": 3, "step": 0, "best_top1": 7 / 13, "best_epoch": 3},
            "Top-1 accuracy 53.8% on 400 validation images of its run, one view of each. The run "
            "kept the epoch that was best on these very images, so on others expect less.",
        ),
        ({"epoch": 1, "best_top1": -1.0, "best_epoch": 0}, readme.NOT_KNOWN),
    ],
)
def test_an_accuracy_that_is_not_that_of_the_file(training, expected):
    known = checkpoint(data={"validation": {"images": 400}}, training=training)
    assert text_of("Accuracy", readme.as_markdown(known, Path("a.pth"))) == expected


def test_rounded_parameters_are_not_those_that_were_measured():
    training = {"epoch": 3, "best_top1": 0.5, "best_epoch": 3}
    known = checkpoint(data={"validation": {"images": 400}}, training=training)
    rounded = slim(slim(known, "float16"), "float32")
    page = readme.as_markdown(rounded, Path("a.safetensors"))
    assert "parameters, rounded to float16, and takes" in page
    assert "measured before the parameters were rounded." in text_of("Accuracy", page)


def test_weights_of_another_program():
    page = readme.as_markdown(checkpoint(), Path("a.safetensors"))
    assert text_of("Training", page) == readme.NOT_KNOWN
    assert text_of("Accuracy", page) == readme.NOT_KNOWN


def test_names_of_any_kind(tmp_path):
    names = ["a|b", "<script>", "*_`\n", "\udcff", "n01440764", "\u732b"]
    model = NarrowAlexNet(6, SIZE).state_dict()
    named = Checkpoint("alexnet", names, checkpoint().preprocessing, model=model)
    file = tmp_path / "[1].safetensors"
    assert readme.write(named, file)
    page = readme.path_beside(file).read_text("utf-8")
    assert text_of("Classes", page) == (
        r"In the order of the outputs: a\|b, \<script\>, \*\_\`\\n, \\udcff, tench (n01440764), "
        "\u732b."
    )
    assert "\n# \\[1\\].safetensors\n" in page


def test_many_classes():
    page = readme._classes([f"class {i}" for i in range(1000)])
    assert page.endswith("class 98, class 99, and 900 more, which the file has.")


def test_a_page_of_the_user_is_kept(tmp_path):
    file = tmp_path / "a.safetensors"
    page = readme.path_beside(file)
    assert page.name == "a.safetensors.README.md"
    for content in (b"# My network\n", b"", b"\xff\xfe"):
        page.write_bytes(content)
        assert not readme.write(checkpoint(), file)
        assert page.read_bytes() == content
    page.unlink()
    page.mkdir()
    assert not readme.write(checkpoint(), file) and page.is_dir()
    page.rmdir()
    assert readme.write(checkpoint(), file) and readme.write(checkpoint("owt"), file)
    assert "One weird trick" in page.read_text("utf-8")
