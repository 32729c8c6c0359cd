"""``python -m benchmarks.layers``."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from alexnet.inference.layers import layer_costs
from alexnet.model import AlexNet, AlexNetOWT
from alexnet.precision import INFERENCE_PRECISIONS
from benchmarks import budget, layers, machine, passes, peer, picture
from benchmarks.passes import FORWARD, INPUT, WEIGHT
from benchmarks.timing import Sample
from minigrad import manual_seed
from minigrad.kernels.shared import bfloat16
from minigrad.trace import limits

NAMES = [
    *("conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4".split()),
    *("conv5 relu5 pool5 fc6 relu6 drop6 fc7 relu7 drop7 fc8".split()),
]


@pytest.fixture
def quick(monkeypatch):
    """A narrow network, and no time spent on the machine's peaks."""
    monkeypatch.setattr(limits, "GEMM_SIZE", 64)
    monkeypatch.setattr(limits, "COPY_BYTES", 1 << 16)
    narrow = {
        "alexnet": lambda init: AlexNet(10, init=init, width=0.05),
        "owt": lambda init: AlexNetOWT(10, init=init, width=0.05),
    }
    for name, build in narrow.items():
        build.default_image_size = {"alexnet": 227, "owt": 224}[name]
    monkeypatch.setattr(layers, "ARCHITECTURES", narrow)


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr(peer, "import_torch", lambda: None)


def test_the_walk_names_layers_as_the_paper_does():
    walked = layers.walk(AlexNet(10, init="torch", width=0.05), 227, batch_size=2)
    assert [layer.name for layer in walked] == NAMES
    passes = {layer.name: layer.passes for layer in walked}
    assert passes["conv1"] == (FORWARD, WEIGHT), "nobody needs the gradient of the images"
    assert passes["conv2"] == passes["fc8"] == (FORWARD, INPUT, WEIGHT)
    assert passes["norm1"] == passes["drop6"] == (FORWARD, INPUT)
    assert walked[0].input.shape == (2, 3, 227, 227)
    assert walked[3].output_shape == (2, 8, 27, 27)
    shapes = []

    def zeros(shape):
        shapes.append(shape)
        return np.zeros(shape, np.float32)

    walked = layers.walk(AlexNet(10, init="torch", width=0.05), 227, batch_size=2, draw=zeros)
    assert shapes[0] == (2, 3, 227, 227) and not any(layer.input.any() for layer in walked)


def test_arithmetic_and_traffic():
    model = AlexNet(init="torch")
    walked = {layer.name: layer for layer in layers.walk(model, 227, batch_size=2)}
    multiply_adds = [cost.multiply_adds for cost in layer_costs(model, 227) if cost.multiply_adds]
    flops = [layer.flops() for layer in walked.values() if layer.flops()]
    assert flops == [2 * 2 * n for n in multiply_adds]

    fc8, pool1, drop6 = walked["fc8"], walked["pool1"], walked["drop6"]
    assert fc8.transferred_bytes(FORWARD) == 4 * (2 * 4096 + 2 * 1000 + 4097 * 1000)
    image, pooled = 2 * 96 * 55 * 55, 2 * 96 * 27 * 27
    assert pool1.transferred_bytes(FORWARD) == 4 * (image + pooled)
    assert pool1.transferred_bytes(INPUT) == 4 * (2 * image + pooled)
    assert drop6.transferred_bytes(INPUT) == 4 * 2 * 2 * 4096


def test_a_wrong_kernel_is_not_timed(torch, monkeypatch):
    walked = layers.walk(AlexNet(10, init="torch", width=0.05), 227, batch_size=2)[:1]
    assert len(layers.measure(walked, 1, torch)) == 2
    original = layers.Torch.run

    def slightly_off(self, of):
        seconds, arrays = original(self, of)
        return seconds, [array * np.float32(1.001) for array in arrays]

    monkeypatch.setattr(layers.Torch, "run", slightly_off)
    with pytest.raises(layers.WrongResult, match="conv1 forward differs from PyTorch by 1.0e-03"):
        layers.measure(walked, 1, torch)


@pytest.mark.parametrize("arch", ["alexnet", "owt"])
def test_every_layer_agrees_with_pytorch(arch, quick, torch, tmp_path, capsys):
    file = tmp_path / "layers.json"
    options = ["--arch", arch, "--batch", "2", "--repeats", "2", "--json", str(file)]
    assert layers.main(options) == 0
    report = json.loads(file.read_text())
    assert report["arch"] == arch and report["batch"] == 2
    assert report["about"]["torch"] == torch.__version__
    for result in report["results"]:
        assert len(result["seconds"]) == len(result["torch_seconds"]) == 2
    lines = capsys.readouterr().out.splitlines()
    total = next(line for line in lines if line.startswith("sum     all"))
    medians = {result["name"]: 1e3 * np.median(result["seconds"]) for result in report["results"]}
    beside = medians["loss both"] + medians["update weights"]
    assert float(total.split()[2]) == pytest.approx(sum(medians.values()) - beside, abs=0.01)
    step = 1e3 * np.median(report["step_seconds"])
    assert lines[-1].startswith(
        f"layers, loss and update: {sum(medians.values()):.0f} ms, "
        f"{sum(medians.values()) / step:.0%} of a step as a whole, which takes {step:.0f} ms"
    )


def test_both_precisions(quick, torch, monkeypatch, tmp_path, capsys):
    """Each pass in each precision, equal to PyTorch within what rounding does."""
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    file = tmp_path / "layers.json"
    options = ["--batch", "2", "--repeats", "1", "--precision", "bf16", "float32"]
    assert layers.main([*options, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    names = [result["name"] for result in report["results"]]
    assert names[:4] == ["conv1 forward bf16", "conv1 forward"] + (
        ["conv1 d weight bf16", "conv1 d weight"]
    )
    assert names[-2:] == ["loss both", "update weights"]
    assert report["peaks"]["bf16_gflops"] > 0
    assert len(report["step_seconds"]) == len(report["bf16_step_seconds"]) == 1
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("conv", "fc", "sum", "norm", "update"))]
    assert len({len(line) for line in rows}) == 1
    assert [line[:20].strip() for line in lines if line.startswith("sum")][2::3] == (
        ["sum     all bf16", "sum     all"]
    )
    assert lines[-2].startswith("layers in bf16, loss and update: ")
    assert lines[-1].startswith("layers, loss and update: ")


def test_a_layer_of_another_precision_is_not_timed(torch, monkeypatch):
    """Arrays of PyTorch have the type that they have in a step; what differs more is wrong."""
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    walked = layers.walk(AlexNet(10, init="torch", width=0.05), 227, batch_size=2)
    chosen = [layer for layer in walked if layer.name in ("conv1", "conv2", "pool1")]
    types = {}
    original = layers.Torch.run

    def off(self, of):
        types[self.input.dtype, of] = self.grad_output.dtype
        seconds, arrays = original(self, of)
        return seconds, [array * factor for array in arrays]

    monkeypatch.setattr(layers.Torch, "run", off)
    factor = np.float32(1.005)
    assert len(layers.measure(chosen, 1, torch, precisions=("bf16",))) == 7
    assert set(types) == {
        (torch.float32, FORWARD),
        (torch.float32, WEIGHT),
        *((torch.bfloat16, of) for of in (FORWARD, INPUT, WEIGHT)),
    }
    factor = np.float32(1.05)
    with pytest.raises(layers.WrongResult, match="conv1 forward bf16 differs from PyTorch by"):
        layers.measure(chosen, 1, torch, precisions=("bf16",))


def test_rounding_shows_in_products_alone():
    walked = layers.walk(AlexNet(10, init="torch", width=0.05), 227, batch_size=2)
    for layer in walked:
        if layer.name in ("conv1", "relu1", "norm1", "fc8"):
            grad_output = np.ones(layer.output_shape, np.float32)
            sides = [
                passes.Ours(layer, grad_output, p).run(FORWARD)[1][0] for p in INFERENCE_PRECISIONS
            ]
            assert (sides[0] == sides[1]).all() == (layer.name in ("relu1", "norm1"))


def test_the_budget_does_the_work_of_a_step(torch, rng):
    """The loss and the update, here and in PyTorch: from the same numbers to the same numbers."""
    scores, labels = rng.standard_normal((4, 5), np.float32), np.array([0, 4, 2, 2])
    ours, theirs = budget.our_loss(scores, labels), budget.torch_loss(torch, scores, labels)
    np.testing.assert_allclose(ours(), theirs(), rtol=1e-5)

    arrays = [rng.standard_normal((3, 4), np.float32), rng.standard_normal(7, np.float32)]
    ours, theirs = budget.our_update(arrays), budget.torch_update(torch, arrays)
    for _ in range(2):
        for one, other, before in zip(ours(), theirs(), arrays):
            np.testing.assert_allclose(one, other, rtol=1e-6)
            assert (one != before).all()


def test_the_whole_step_learns(quick):
    model = layers.ARCHITECTURES["alexnet"](init="torch")
    before = [parameter.numpy().copy() for parameter in model.parameters()]
    images = np.random.default_rng(0).standard_normal((2, 3, 227, 227), np.float32)
    sample = budget.whole_step(model, images, repeats=2)
    assert len(sample.seconds) == 2 and min(sample.seconds) > 0
    assert all((p.numpy() != b).any() for p, b in zip(model.parameters(), before))
    assert all(p.grad is None for p in model.parameters())


def test_the_whole_step_in_bfloat16(quick, monkeypatch):
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    images = np.random.default_rng(0).standard_normal((2, 3, 227, 227), np.float32)
    learned = []
    for of_products in INFERENCE_PRECISIONS:
        manual_seed(0)
        model = layers.ARCHITECTURES["alexnet"](init="torch")
        budget.whole_step(model, images, 1, of_products)
        learned.append(next(model.parameters()).numpy())
    assert (learned[0] != learned[1]).any()


def test_chosen_layers_without_pytorch(quick, without_torch, capsys):
    assert layers.main(["--batch", "1", "--layers", "norm1", "fc8", "--repeats", "1"]) == 0
    out = capsys.readouterr().out
    rows = [line.split()[:2] for line in out.splitlines() if line.startswith(("norm1", "fc8"))]
    assert [row[0] for row in rows] == ["norm1"] * 2 + ["fc8"] * 3
    assert "PyTorch is not installed" in out


@pytest.mark.parametrize(
    "options, message",
    [
        (["--layers", "conv9"], "unknown layer 'conv9': choose from conv1 relu1"),
        (["--batch", "0"], "argument --batch: '0' is not a whole number of at least 1"),
        (["--repeats", "x"], "argument --repeats: 'x' is not a whole number of at least 1"),
    ],
)
def test_wrong_options(options, message, quick, without_torch, capsys):
    assert layers.main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_a_file_that_cannot_be_written(option, without_torch, tmp_path, capsys, monkeypatch):
    """It is said before anything is measured."""
    monkeypatch.setattr(layers, "measure", None)
    for file in (tmp_path / "missing" / "file", tmp_path):
        assert layers.main(["--batch", "1", "--layers", "relu1", option, str(file)]) == 7
        assert capsys.readouterr().err.startswith("error: ")


def test_the_picture_shows_every_layer(tmp_path, monkeypatch):
    """What the axes hold; layers without arithmetic have bars only."""
    slow, fast = Sample((0.4, 0.2, 0.3)), Sample((0.1,))
    results = [
        layers.Result("conv1", FORWARD, (1, 2), 6 * 10**9, 10**8, fast, slow),
        layers.Result("conv1", WEIGHT, (1, 2), 6 * 10**9, 10**8, fast, slow),
        layers.Result("norm1", FORWARD, (1, 2), 0, 10**8, fast, slow),
    ]
    drawn = []
    original = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda f, *a, **k: (drawn.append(f), original(f, *a, **k))
    )
    picture.draw(results, machine.Peaks(100.0, 10.0), tmp_path / "layers.png")
    bars, roofline = drawn[0].axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["conv1", "norm1"]
    widths = [bar.get_width() for container in bars.containers for bar in container]
    assert widths == pytest.approx([200, 100, 600, 300])
    points = [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in roofline.lines
        if len(line.get_xdata()) == 1
    ]
    assert points == [(60, 60), (60, 20), (60, 60), (60, 20)]
    roof = roofline.lines[-1]
    assert max(roof.get_ydata()) == 100 and roof.get_ydata()[0] == pytest.approx(25)
    assert (tmp_path / "layers.png").stat().st_size > 5000
