"""Settings of arms: what decides a result, and the command that repeats it."""

import shlex
from dataclasses import replace

import pytest

import minigrad
from alexnet.experiments import arm_settings
from alexnet.experiments.arm_settings import Computing
from alexnet.model import ARCHITECTURES
from alexnet.training.options import new_run, parse
from tests.alexnet.experiments.tiny import TINY

HERE = Computing("photos")


def deciding(experiment=TINY, arm="fast", seed=0, computing=HERE):
    settings = arm_settings.resolved(experiment, arm, seed, computing)
    return arm_settings.deciding(experiment, settings)


def test_the_command_has_every_option():
    settings = arm_settings.resolved(TINY, "fast", 3, HERE)
    given = arm_settings.keywords(TINY, "fast", 3, HERE)
    command = arm_settings.command(given, settings, epochs=5)
    assert "--data-root photos " in command
    options, _ = parse(shlex.split(command)[3:])
    again = new_run(options)
    assert again == replace(settings, epochs=5, keep=again.keep, resize=76, bias_init=0.0)
    said = {name for name, value in vars(settings).items() if value not in (None, False)}
    not_deciding = {"workers", "bad_images", "max_pixels"}
    of_other_schedules = {"lr_gamma", "lr_patience"}
    derived = {"data", "network"}  # from the folder, and from several options
    assert said - options.keys() - derived == not_deciding | of_other_schedules


def test_the_command_has_what_chooses_the_network():
    """Options of which none is a setting of its own; given as they were declared."""
    settings = arm_settings.resolved(TINY, "fast", 3, HERE)
    given = {**arm_settings.keywords(TINY, "fast", 3, HERE), "max_steps": "7"}
    words = shlex.split(arm_settings.command(given, settings, epochs=5))
    assert words[words.index("--max-steps") + 1] == "7"


@pytest.mark.parametrize("arch, width", [("alexnet", "0.5,conv5=1"), ("cifar", "2"), ("owt", "1")])
def test_the_command_has_the_network_whatever_the_defaults_of_a_later_version(arch, width):
    options = {"arch": arch, "width": width, "init": "code2012"}
    if arch != "owt":
        options["norm"] = "none"
    experiment = replace(TINY, settings={**TINY.settings, **options, "image_size": 80})
    settings = arm_settings.resolved(experiment, "fast", 0, HERE)
    given = arm_settings.keywords(experiment, "fast", 0, HERE)
    words = shlex.split(arm_settings.command(given, settings, epochs=5))
    words = [word for word in words if not word.startswith("--no-")]
    said = dict(zip(words[3::2], words[4::2]))
    assert said["--width"] == width and said["--resize"] == "90"
    assert said["--bias-init"] == ("0.0" if arch == "cifar" else "0.1")
    network = {"--norm": "none", "--activation": "relu", "--pooling": "overlapping"}
    for name, value in (network if arch != "owt" else {}).items():
        assert said[name] == value
    assert said.get("--groups") == ("2" if arch == "alexnet" else None)
    assert new_run(parse(words[3:])[0]).network == settings.network


@pytest.mark.parametrize("arch", ["alexnet", "cifar", "owt"])
@pytest.mark.parametrize("init", ["default", "paper", "code2012", "torch"])
def test_the_biases_in_the_command_are_those_that_the_start_has(arch, init):
    experiment = replace(TINY, settings={**TINY.settings, "arch": arch, "init": init, "width": 0.1})
    settings = arm_settings.resolved(experiment, "fast", 0, HERE)
    given = arm_settings.keywords(experiment, "fast", 0, HERE)
    words = shlex.split(arm_settings.command(given, settings, epochs=5))
    again = new_run(parse(words[3:])[0])
    biases = []
    for bias in (None, again.bias_init):
        minigrad.manual_seed(0)
        network = ARCHITECTURES[arch](3, image_size=67, width=0.1, init=init, bias_init=bias)
        biases.append({k: p.numpy() for k, p in network.named_parameters() if k.endswith("bias")})
    assert (again.bias_init is None) == (init == "torch")
    for name, values in biases[0].items():
        assert (values == biases[1][name]).all(), name


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"computing": Computing("elsewhere")},
        {"computing": Computing("photos", workers=0)},
    ],
)
def test_what_does_not_decide_the_result(change):
    assert arm_settings.digest(deciding(**change)) == arm_settings.digest(deciding())


@pytest.mark.parametrize(
    "change",
    [
        {"arm": "slow"},
        {"experiment": replace(TINY, settings={**TINY.settings, "epochs": 3})},
        {"experiment": replace(TINY, settings={**TINY.settings, "momentum": 0.8})},
        {"experiment": TINY.quick_form(has_data=True)},
        {"experiment": replace(TINY, data="other photos")},
    ],
)
def test_what_decides_the_result(change):
    assert arm_settings.digest(deciding(**change)) != arm_settings.digest(deciding())
    assert arm_settings.difference(deciding(**change), deciding())


def test_a_younger_option_had_its_default():
    now = deciding()
    recorded = {name: value for name, value in now.items() if name != "momentum"}
    assert arm_settings.difference(recorded, now) is None
    changed = arm_settings.difference(recorded, {**now, "momentum": 0.8})
    assert changed == "momentum was 0.9, and is 0.8 now"


@pytest.mark.parametrize(
    "arch, recipe, norm",
    [
        ("alexnet", "default", "code2014"),
        ("alexnet", "paper", "lrn"),
        ("cifar", "default", "within"),
    ],
)
def test_the_command_has_what_a_later_default_could_change(arch, recipe, norm):
    experiment = replace(TINY, settings={**TINY.settings, "arch": arch, "recipe": recipe})
    settings = arm_settings.resolved(experiment, "fast", 0, HERE)
    given = arm_settings.keywords(experiment, "fast", 0, HERE)
    words = shlex.split(arm_settings.command(given, settings, epochs=5))
    assert words[words.index("--norm") + 1] == norm
    assert words[words.index("--width") + 1] == "1.0"


def test_the_command_has_the_numbers_of_single_layers():
    settings = {name: value for name, value in TINY.settings.items() if name != "weight_decay"}
    experiment = replace(TINY, settings=settings)
    resolved = arm_settings.resolved(experiment, "fast", 0, HERE)
    given = arm_settings.keywords(experiment, "fast", 0, HERE)
    words = shlex.split(arm_settings.command(given, resolved, epochs=5))
    assert words[words.index("--weight-decay") + 1] == "0.0005,conv1=0.01"
    assert parse(words[3:])[0]["weight_decay"] == resolved.weight_decay
