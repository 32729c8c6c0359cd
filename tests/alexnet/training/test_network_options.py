"""Options that choose another network: trained, continued, and what does not go with them."""

import json
from dataclasses import replace

import pytest

from alexnet import train
from alexnet.data.transforms import Preprocessing
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.options import continued_run, new_run, parse
from alexnet.training.settings import Settings
from tests.alexnet.runs import STEPS_PER_EPOCH, assert_same_run, resume

VARIANT = "--norm", "code2012", "--activation", "tanh", "--groups", "1", "--without", "conv3"
NETWORK = {
    "norm": {"kind": "columns", "alpha": 1e-4 / Settings.scale**2},
    "activation": "tanh",
    "groups": 1,
    "without": ["conv3"],
}
DECAY = "--weight-decay", "0.004,fc8=1"


def settings_of(*options):
    return new_run(parse(options)[0])


@pytest.fixture(scope="module")
def variant(start, tmp_path_factory):
    """The folder of a run of another network, stopped in its second epoch, and of a whole one."""
    folder = tmp_path_factory.mktemp("variant")
    assert start(folder / "whole", *VARIANT, *DECAY) == 0
    steps = "--max-steps", str(STEPS_PER_EPOCH + 1)
    assert start(folder / "stopped", *VARIANT, *DECAY, *steps) == 0
    return folder


def test_the_checkpoint_tells_the_network(variant):
    run = json.loads((variant / "whole" / "run.json").read_text())
    stored = Checkpoint.load(variant / "whole" / LAST)
    assert run["arguments"]["network"] == stored.network == NETWORK
    assert run["arguments"]["weight_decay"] == {"default": 0.004, "fc8": 1.0}
    kinds = [type(layer).__name__ for _, layer in stored.build().named_modules()]
    assert kinds.count("Conv2d") == 4 and kinds.count("ColumnNorm") == 2 and "ReLU" not in kinds


@pytest.mark.parametrize(
    "changed, option",
    [
        (("--norm", "lrn"), "--norm lrn"),
        (("--norm", "constant", "--norm-gain", "2"), "--norm constant"),
        (("--activation", "relu"), "--activation relu"),
        (("--groups", "2"), "--groups 2"),
        (("--without", "conv3,conv4"), "--without conv3,conv4"),
        (("--pooling", "plain"), "--pooling plain"),
        (("--width", "0.5"), "--width 0.5"),
    ],
)
def test_a_continued_run_keeps_its_network(error_of, variant, changed, option):
    code, message = error_of(resume, variant / "stopped", *changed)
    assert code == 2
    assert message.startswith(f"{option} cannot be changed by --resume: the network is another one")


def test_the_same_options_are_accepted_and_the_bits_are_those_of_a_whole_run(variant):
    same = "--pooling", "overlapping", "--width", "1"  # what every network does unless told
    assert resume(variant / "stopped", *VARIANT, *DECAY, *same) == 0
    assert_same_run(variant / "stopped", variant / "whole")


def test_runs_from_before_there_were_variants():
    """Their alpha is that of gray levels, whatever their scale; they lack the latest settings."""
    arguments = {name: value for name, value in vars(Settings()).items() if name != "bias_init"}
    preprocessing = Preprocessing(image_size=67, mean=(0, 0, 0))
    old = Checkpoint("alexnet", [], preprocessing, arguments=arguments)
    settings = continued_run({}, old)
    assert settings.network is None and settings.bias_init is None
    assert continued_run({"activation": "relu", "groups": 2}, old) == settings
    with pytest.raises(Exception, match="--norm lrn cannot be changed .* without such options"):
        continued_run({"norm": "lrn"}, old)
    of_a_file = {**arguments, "scale": [0.01, 0.02, 0.03], "init_from": "a.pth"}
    assert continued_run({"norm": "lrn"}, replace(old, arguments=of_a_file))


def test_the_network_of_init_from_is_taken_as_it_is(start, undisturbed, error_of, tmp_path):
    for option in (
        *(("--norm", "lrn"), ("--activation", "relu"), ("--width", "0.5")),
        ("--bias-init", "1"),
    ):
        code, message = error_of(start, tmp_path / "run", "--init-from", str(undisturbed), *option)
        assert code == 2
        assert message == (
            f"{option[0]} does not go with --init-from, whose network is taken as it is"
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (("--arch", "owt", "--norm", "none"), "the network 'owt' has no normalization 'none'"),
        (("--arch", "cifar", "--without", "conv3"), "'cifar' has no variants in 'without'"),
        (("--norm", "constant"), "the normalization 'constant' needs a gain: --norm-gain"),
        (("--norm-gain", "2"), "--norm-gain is for --norm constant"),
        (("--without", "conv1"), "argument --without: expected conv3 or conv4, got 'conv1'"),
        (("--pooling", "plain", "--image-size", "71"), "size at which it does not is 70"),
        (("--width", "0.5,fc9=1"), "width: there is no layer 'fc9', only conv1, conv2"),
        (("--width", "0.5,conv5"), "expected a number, then LAYER=NUMBER for single layers, got"),
        (("--width", "100"), "width cannot be 100"),
        (("--scale", "1e-200"), "argument --scale: '1e-200' is not a number from 0.0001 to 10000"),
        (("--weight-decay", "0.1,fc4=1"), "--weight-decay: there is no layer 'fc4', only conv1"),
        (("--weight-decay", "0.1,fc8=-1"), "argument --weight-decay: '-1' is not a number of at"),
    ],
)
def test_mistakes_in_one_line(start, error_of, tmp_path, options, message):
    code, line = error_of(start, tmp_path / "run", *options)
    assert code == 2 and message in line
    assert not (tmp_path / "run").exists()


def test_the_small_network_has_settings_of_its_own():
    settings = settings_of("--arch", "cifar")
    assert (settings.batch_size, settings.dropout) == (128, 0.0)
    assert settings_of("--arch", "cifar", "-b", "8", "--dropout", "0.5").batch_size == 8
    settings = settings_of("--width", "0.5,conv5=1", "--bias-init", "0.5")
    assert settings.network["width"] == {"default": 0.5, "conv5": 1.0}
    assert settings.bias_init == 0.5


def test_the_small_network_is_trained_on_small_images(photos, tmp_path):
    folder = tmp_path / "run"
    options = "--arch", "cifar", "--data-root", str(photos), "--image-size", "32", "-b", "4"
    assert train.main([*options, "--epochs", "1", "--out", str(folder)]) == 0
    stored = Checkpoint.load(folder / LAST)
    assert stored.network == {"norm": {"alpha": 5e-5 / Settings.scale**2}}
    assert stored.build().features[0].weight.shape == (32, 3, 5, 5)
