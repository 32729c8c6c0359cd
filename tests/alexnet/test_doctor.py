"""``python -m alexnet.doctor``: planted mistakes are named before training, good settings pass."""

import numba
import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from alexnet import checkup, doctor
from alexnet.checkup import OK, PROBLEM, WARNING
from alexnet.model import ARCHITECTURES, INITIALIZERS, AlexNet, learned_layers
from minigrad import nn, optim

pytestmark = pytest.mark.usefixtures("one_thread")


class NarrowAlexNet(AlexNet):
    """A tenth of the channels: all that a command does, in a hundredth of the time."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)


@pytest.fixture(scope="module", autouse=True)
def narrow():
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
        yield
    numba.set_num_threads(threads)


def write_images(root, classes=3, count=14):
    """Class c has stripes of a width of its own."""
    rng = np.random.default_rng(0)
    for c in range(classes):
        (root / f"class{c}").mkdir(parents=True)
        for i in range(count):
            stripes = 60 * np.sin(np.arange(80) / (1 + 2 * c) + rng.uniform(0, 6))
            colours = rng.uniform(70, 180, 3)
            pixels = stripes[:, None, None] + colours + rng.normal(0, 15, (80, 80, 3))
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"class{c}" / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def diagnosis(photos, capsys):
    """The exit code of the command, and its findings' (verdict, text) by check."""

    def diagnosis(*options, root=photos):
        code = doctor.main(
            ["--data-root", str(root), "--image-size", "67", "-b", "4", "-j", "0", *options]
        )
        output = capsys.readouterr().out
        findings, current = {}, None
        for line in output.splitlines():
            verdict = line[:9].strip()
            if verdict in (OK, WARNING, PROBLEM):
                current = line[9:23].strip()
                findings[current] = [verdict, line[23:]]
            elif line.startswith(" " * 23):
                findings[current][1] += " " + line.strip()
        return code, findings

    return diagnosis


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_healthy_settings(diagnosis, seed):
    code, findings = diagnosis("--seed", seed)
    assert code == 0
    assert {verdict for verdict, _ in findings.values()} == {OK}
    assert list(findings) == [
        *("data", "input", "layers", "initial loss", "image share", "stability", "evaluation"),
        *("overfitting", "speed"),
    ]


def test_it_leaves_nothing_behind(diagnosis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    diagnosis()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--out", "--resume", "--max-steps"])
def test_options_of_a_run_that_exists(option, capsys):
    assert doctor.main([option, "1"]) == 2
    assert f"{option} is of no use here" in capsys.readouterr().err


def test_the_start_of_the_paper(diagnosis):
    code, findings = diagnosis("--init", "paper")
    assert code == doctor.FOUND_A_PROBLEM
    assert findings["image share"][0] == PROBLEM
    assert "--init default" in findings["image share"][1]
    assert findings["input"][0] == WARNING
    assert "--scale 1" in findings["input"][1]


def test_weights_of_zero(diagnosis, monkeypatch):
    def zero(layers):
        for layer in layers:
            layer.weight.data[...] = layer.bias.data[...] = 0

    monkeypatch.setitem(INITIALIZERS, "default", zero)
    code, findings = diagnosis()
    assert code == doctor.FOUND_A_PROBLEM
    assert "the output of features.0 (Conv2d) is zero" in findings["layers"][1]


@pytest.mark.parametrize("scale", ["1", "0.001"])
def test_scale_of_the_input(diagnosis, scale):
    _, findings = diagnosis("--scale", scale)
    assert findings["input"][0] == WARNING
    assert findings["input"][1].endswith("what helps: --scale 0.0156")


def test_scale_of_grey_levels_is_a_problem_for_a_start_made_for_unit_input(diagnosis):
    code, findings = diagnosis("--scale", "1")
    assert code == doctor.FOUND_A_PROBLEM


@pytest.mark.parametrize("rate", ["1", "1e-6"])
def test_learning_rate(diagnosis, rate):
    code, findings = diagnosis("--lr", rate)
    assert code == doctor.FOUND_A_PROBLEM
    assert findings["overfitting"][0] == PROBLEM
    assert findings["stability"][0] == (PROBLEM if rate == "1" else OK)


def test_labels_all_the_same(diagnosis, tmp_path):
    root = tmp_path / "photos"
    for split in ("train", "val"):
        write_images(root / split, classes=2, count=4)
    for file in (root / "train" / "class1").iterdir():
        file.rename(root / "train" / "class0" / f"moved{file.name}")
    (root / "train" / "class1" / "keep").mkdir()
    code, findings = diagnosis(root=root)
    assert (code, findings.get("data", [code])[0]) in ((3, 3), (9, PROBLEM))


class _Labelled:
    def __init__(self, *counts):
        self.labels = np.repeat(np.arange(len(counts)), counts)
        self.classes = [f"class{c}" for c in range(len(counts))]

    def __len__(self):
        return len(self.labels)


@pytest.mark.parametrize(
    "counts, verdict, text",
    [
        ((20, 20, 20), OK, "60 training images of 3 classes, 20 to 20 each"),
        ((20, 0, 0), PROBLEM, "all are 'class0'"),
        ((20, 0, 20), WARNING, "no image of class1"),
        ((20, 9, 20), WARNING, "few of 'class1'"),
        ((20, 250, 20), WARNING, "guessing 'class1' is right for 86%"),
    ],
)
def test_labels(counts, verdict, text):
    finding = checkup.labels(_Labelled(*counts), _Labelled(5, 5))
    assert finding.verdict == verdict
    assert text in finding.seen


def test_input_that_is_not_centred(rng):
    images = rng.normal(2, 1, (4, 3, 8, 8))
    assert "not centred" in checkup.network_input(images, "default").seen
    assert checkup.network_input(images - 2, "default").verdict == OK


def test_input_that_does_not_vary(rng):
    images = np.repeat(rng.normal(0, 1, (1, 3, 8, 8)), 4, axis=0)
    assert checkup.network_input(images, "default").verdict == PROBLEM


# -- the network ------------------------------------------------------------------------------


@pytest.fixture
def images(rng):
    return rng.standard_normal((8, 3, 67, 67), np.float32)


@pytest.fixture
def labels():
    return np.arange(8) % 3


def test_relu_on_the_scores(images, labels):
    model = nn.Sequential(*NarrowAlexNet(3, 67).features, *NarrowAlexNet(3, 67).classifier)
    model = nn.Sequential(*model, nn.ReLU())
    _, _, scores = checkup.signals(model, images, labels, 0.01)
    finding = checkup.initial_loss(scores, labels)
    assert finding.verdict == PROBLEM
    assert finding.helps == "removing the ReLU after the last layer"


def test_normalization_that_is_too_strong(images, labels):
    model = NarrowAlexNet(3, 67)
    assert checkup.layers(checkup.signals(model, images, labels, 0.01)[0]).verdict == OK
    model.features[2].alpha *= 1000
    finding = checkup.layers(checkup.signals(model, images, labels, 0.01)[0])
    assert "features.2 (LocalResponseNorm) divides by" in finding.seen


def test_a_frozen_layer(images, labels):
    model = NarrowAlexNet(3, 67)
    model.features[4].weight.requires_grad = False
    finding = checkup.layers(checkup.signals(model, images, labels, 0.01)[0])
    assert (finding.verdict, "hardly reaches features.4 (Conv2d)" in finding.seen) == (
        PROBLEM,
        True,
    )


def test_dead_units(images, labels):
    model = NarrowAlexNet(3, 67)
    model.features[8].bias.data[...] = -100
    finding = checkup.layers(checkup.signals(model, images, labels, 0.01)[0])
    assert "100% of the units of features.9 (ReLU)" in finding.seen or "features.9" in finding.seen
    assert finding.verdict == PROBLEM


def test_scores_that_are_too_large(images, labels):
    model = NarrowAlexNet(3, 67)
    learned_layers(model)[-1].weight.data *= 1000
    _, _, scores = checkup.signals(model, images, labels, 0.01)
    assert checkup.initial_loss(scores, labels).verdict == PROBLEM


def test_dropout_left_on(images):
    class Careless(NarrowAlexNet):
        def eval(self):
            return self.train()

    assert checkup.evaluation(NarrowAlexNet(3, 67), images).verdict == OK
    assert checkup.evaluation(Careless(3, 67), images).verdict == PROBLEM


@pytest.mark.parametrize("num_classes, verdict", [(10, PROBLEM), (1000, OK)])
def test_biases_of_one_and_the_number_of_classes(num_classes, verdict):
    """Hidden units near 1, as in the paper's network: 4096 of them are too many for 10 classes."""
    features = np.ones((16, 4096), np.float32)
    optimizer = optim.SGD([nn.Parameter(np.zeros(1))], 0.02, 0.9)
    finding = checkup.head_stability(features, num_classes, optimizer)
    assert finding.verdict == verdict
    assert f"is {0.02 * 4096 / num_classes:.2g}, stable below 3.8" in finding.seen


def test_stability_is_where_gradient_descent_begins_to_diverge(rng):
    """The bound is that of a quadratic: just below it the last layer converges."""
    for factor, stable in ((0.9, True), (1.1, False)):
        velocity, weight, rate, curvature = 0.0, 1.0, 0.1, factor * 3.8 / 0.1
        for _ in range(500):
            velocity = 0.9 * velocity - rate * curvature * weight
            weight += velocity
        assert (abs(weight) < 1) == stable


def test_overfitting_learns(images, labels):
    mg.manual_seed(1)
    model = NarrowAlexNet(3, 67)
    optimizer = optim.SGD(model.parameters(), 0.02, 0.9)
    assert checkup.overfit(model, optimizer, images, labels).verdict == OK
