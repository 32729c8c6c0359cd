"""``python -m alexnet.doctor``: what it says of options, and that it leaves nothing behind."""

import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.doctor import OK, PROBLEM, WARNING
from alexnet.doctor.__main__ import FOUND_A_PROBLEM, main
from alexnet.model import INITIALIZERS, learned_layers
from alexnet.run.checkpoint import Checkpoint
from alexnet.training.settings import Settings
from tests.alexnet.doctor.images import write_images
from tests.alexnet.narrow import NarrowOWT

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "photos", classes=3, count=14)


@pytest.fixture
def diagnosis(photos, capsys):
    """The exit code of the command, and its findings' (verdict, text) by check."""

    def diagnosis(*options, root=photos):
        code = main(
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


def test_good_settings(diagnosis):
    code, findings = diagnosis()
    assert code == 0
    assert {verdict for verdict, _ in findings.values()} == {OK}
    assert list(findings) == [
        *("data", "images", "labels", "input", "parameters", "layers", "normalization"),
        *("initial loss", "image share", "stability", "evaluation", "preparation"),
        *("overfitting", "speed"),
    ]


def test_settings_of_another_run(diagnosis, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('init = "paper"\nscale = 1.0\nlr = 1000.0\n')
    code, found = diagnosis("--config", str(file))
    assert code == FOUND_A_PROBLEM
    _, others = diagnosis("--config", str(file), "--lr", "0.01")
    assert others["overfitting"] != found["overfitting"]


def test_it_leaves_nothing_behind(diagnosis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    diagnosis()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_begins_with_another_network_is_examined_with_it(diagnosis, tmp_path):
    path = tmp_path / "network.safetensors"
    preprocessing = Preprocessing(image_size=67, mean=(0, 0, 0), scale=(1.0, 1.0, 1.0))
    model = NarrowOWT(7, 67).state_dict()
    Checkpoint("owt", list("abcdefg"), preprocessing, model=model).save(path)
    _, findings = diagnosis("--init-from", str(path))
    assert findings["input"][0] == WARNING and "not centered" in findings["input"][1]
    path.write_bytes(b"PK\3\4")
    assert diagnosis("--init-from", str(path)) == (4, {})


@pytest.mark.parametrize("option", ["--out", "--resume", "--max-steps"])
def test_options_of_a_run_that_exists(option, capsys):
    assert main([option, "1"]) == 2
    assert f"{option} is of no use here" in capsys.readouterr().err


def test_the_start_of_the_paper(diagnosis):
    code, findings = diagnosis("--init", "paper")
    assert code == FOUND_A_PROBLEM
    assert findings["image share"][0] == PROBLEM
    assert "--init default" in findings["image share"][1]
    assert findings["input"][0] == WARNING
    assert "--scale 1" in findings["input"][1]


def test_weights_of_zero(diagnosis, monkeypatch):
    def zero(model, input_std):
        for layer in learned_layers(model):
            layer.weight.data[...] = layer.bias.data[...] = 0

    monkeypatch.setitem(INITIALIZERS, "default", zero)
    code, findings = diagnosis()
    assert code == FOUND_A_PROBLEM
    assert "all weights of conv1 are 0" in findings["parameters"][1]
    assert "the output of conv1 is zero" in findings["layers"][1]


@pytest.mark.parametrize("scale", ["1", "0.001"])
def test_scale_of_the_input(diagnosis, scale):
    _, findings = diagnosis("--scale", scale)
    assert findings["input"][0] == WARNING
    assert findings["input"][1].endswith(f"what helps: --scale {Settings.scale:.3g}")


def test_scale_of_gray_levels_is_a_problem_for_a_start_made_for_unit_input(diagnosis):
    code, findings = diagnosis("--scale", "30", "--init", "torch", "--norm", "none")
    assert findings["input"][1].endswith("what helps: --scale 0.0156")
    assert code == FOUND_A_PROBLEM


def test_rate_that_learns_nothing(diagnosis):
    code, findings = diagnosis("--lr", "1e-6")
    assert code == FOUND_A_PROBLEM
    assert "nothing is learned" in findings["overfitting"][1]


def test_image_that_cannot_be_read(diagnosis, tmp_path):
    root = write_images(tmp_path / "photos", classes=2, count=12)
    (root / "class0" / "notes.png").write_text("no image")
    code, findings = diagnosis("--bad-images", "skip", root=root)
    assert code == 0
    assert findings["images"][0] == WARNING
    assert "1 cannot be used: " in findings["images"][1]
    assert "notes.png" in findings["images"][1]
