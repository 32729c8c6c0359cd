"""``--like`` and ``--config``: the settings of another run, or of a file."""

import json
from dataclasses import asdict

import pytest

from alexnet.errors import UsageError
from alexnet.training.base_settings import complete
from alexnet.training.invocation import Invocation
from alexnet.training.options import new_run, parse
from alexnet.training.settings import Settings
from tests.alexnet.runs import rows_of

LIKE = [
    *("--arch", "alexnet", "--norm", "lrn", "--width", "0.5,conv5=1", "--lr", "0.02"),
    *("--lr-schedule", "step", "--lr-step", "3", "--class-weights", "auto", "--freeze", "conv1"),
    *("--patience", "4", "--weight-decay", "0.001,fc8=1"),
]


@pytest.fixture
def run(tmp_path):
    """A run.json, and the settings in it."""

    def run(*options, **changes):
        settings = {**asdict(new_run(parse(options)[0])), **changes}
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        text = json.dumps({"arguments": settings, "starts": []})
        (folder / "run.json").write_text(text)
        return folder, settings

    return run


def settings_of(*options):
    """The settings of a new run with these options."""
    given, invocation = parse([*map(str, options)])
    return asdict(new_run(complete(given, invocation)))


@pytest.mark.parametrize(
    "options",
    [
        *([], LIKE, ["--recipe", "paper"], ["--arch", "owt"], ["--arch", "cifar"]),
        ["--norm", "lrn", "--scale", "1"],  # the variant that the network has by itself
        ["--recipe", "paper", "--norm", "none"],
        ["--bias-init", "1", "--sampling", "balanced", "--ema", "0.9"],
    ],
)
@pytest.mark.parametrize("form", ["folder", "file"])
def test_all_settings_are_those_of_the_run(run, options, form):
    folder, settings = run(*options)
    named = ["--like", folder] if form == "folder" else ["--config", folder / "run.json"]
    assert settings_of(*named) == settings


@pytest.mark.parametrize(
    "before, given, decided",
    [
        ([], ["--recipe", "paper"], "batch_size epochs lr_schedule warmup init mean scale"),
        (["--lr", "0.02"], ["--optimizer", "lars"], "lr"),
        (LIKE, ["--arch", "cifar"], "batch_size dropout weight_decay network image_size"),
        (LIKE, ["--lr-schedule", "plateau"], "lr_step lr_gamma lr_patience"),
        (LIKE, ["--lr-schedule", "step", "--lr-milestones", "3"], "lr_step lr_milestones"),
        (LIKE, ["--sampling", "balanced"], "class_weights sampling"),
    ],
)
def test_what_follows_from_another_choice_is_as_in_a_new_run(run, before, given, decided):
    folder, _ = run(*before)
    found, expected = settings_of("--like", folder, *given), settings_of(*given)
    for name in decided.split():
        assert found[name] == expected[name], name


def test_what_is_given_changes_them(run):
    folder, settings = run(*LIKE)
    found = settings_of("--like", folder, "--lr", "0.5", "--lr-schedule", "cosine", "--seed", "7")
    changed = {name for name in settings if settings[name] != found[name]}
    assert changed == {"lr", "lr_schedule", "lr_step", "seed"}
    assert (found["lr"], found["lr_step"]) == (0.5, None)


def test_another_variant_of_the_network(run):
    folder, settings = run(*LIKE)
    found = settings_of("--like", folder, "--norm", "none")["network"]
    assert found == {**settings["network"], "norm": {"kind": "none"}}
    found = settings_of("--like", folder, "--width", "0.25")["network"]
    assert found == {**settings["network"], "width": 0.25}
    assert settings_of("--like", folder, "--arch", "owt")["network"] is None


def test_alpha_goes_with_the_scale(run):
    folder, _ = run(*LIKE)
    changed = settings_of("--like", folder, "--scale", "1")
    assert changed["network"]["norm"]["alpha"] == pytest.approx(5e-4)
    assert changed["network"]["width"] == {"default": 0.5, "conv5": 1}
    folder, _ = run("--norm", "lrn", "--scale", "1")
    changed = settings_of("--like", folder, "--scale", "0.5")
    assert changed["network"]["norm"] == {"alpha": pytest.approx(5e-4 * 4)}
    folder, settings = run("--norm", "constant", "--norm-gain", "0.5")
    assert settings_of("--like", folder, "--scale", "1")["network"] == settings["network"]


def test_other_data_replace_all_that_names_data(run, tmp_path):
    folder, _ = run(data="cifar10", data_root="/cifar", image_size=115, resize=130)
    found = settings_of("--like", folder, "--data-root", tmp_path)
    assert (found["data"], found["data_root"], found["image_size"]) == ("auto", str(tmp_path), 115)
    assert settings_of("--like", folder, "--lr", "1")["data"] == "cifar10"


def test_weights_of_classes_are_those_of_the_run(run):
    folder, _ = run(class_weights={"a": 2.0, "b": 1.0})
    assert settings_of("--like", folder)["class_weights"] == {"a": 2, "b": 1}
    assert settings_of("--like", folder, "--class-weights", "auto")["class_weights"] == "auto"


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'data_root = "photos"\nlr = 0.02\nepochs = 30\nlr_schedule = "step"\n'
        'lr_milestones = [15, 25]\nnorm = "lrn"\nnesterov = true\nfreeze = ["conv1"]\n'
        "weight_decay = {default = 0.001, fc8 = 1}\n"
    )
    options = "--lr 0.02 --epochs 20 --lr-schedule step --lr-milestones 15,25 --norm lrn --nesterov"
    options += " --freeze conv1 --weight-decay 0.001,fc8=1 --data-root photos"
    assert settings_of("--config", file, "--epochs", "20") == settings_of(*options.split())


@pytest.mark.parametrize(
    "content, message",
    [
        ("lr = ", "mine.toml: Invalid value"),
        ("lr = 'fast'", "mine.toml: lr: 'fast' is not a number above 0"),
        ("epochs = 1.5", "epochs: '1.5' is not a whole number"),
        ("learning_rate = 1", "mine.toml: there is no setting 'learning_rate'"),
        ("epoch = 1", "there is no setting 'epoch'; did you mean 'epochs'?"),
        ("resume = 'x'", "there is no setting 'resume'"),
        ("nesterov = 1", "nesterov: expected True or False, got 1"),
        ("scale = [1.0, 2.0]", "scale: '1.0,2.0' is not a number from 0.0001 to 10000"),
        ("[network]\nnorm = 3", "there is no setting 'network'"),
        ("[class_weights]\na = 0", "class_weights: '0' is not a number from 0.000001 to 1000000"),
        ("lr_milestones = [15, 25]", "--lr-milestones is for --lr-schedule step, not cosine"),
        ("\0", "mine.toml: "),
    ],
)
def test_files_that_cannot_be_understood(tmp_path, content, message):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(UsageError) as error:
        settings_of("--config", file)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"network": {"norm": 3}}, "run.json: network: "),
        ({"network": {"foo": 1}}, "run.json: network: the network 'alexnet' has no variants in"),
        ({"network": [1]}, "run.json: network: "),
        ({"lr": "x"}, "run.json: lr: 'x' is not a number above 0"),
        ({"arch": "vgg"}, "run.json: "),
        ({"class_weights": {"a": -1}}, "run.json: class_weights: '-1' is not a number from"),
    ],
)
def test_a_run_json_that_was_changed_by_hand(run, changes, message):
    folder, _ = run(**changes)
    with pytest.raises(UsageError) as error:
        settings_of("--like", folder)
    assert message in str(error.value)


def test_settings_of_the_recipe_in_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('recipe = "paper"\nlr_patience = 5\nfreeze = []\nema = "none"\n')
    options = ["--recipe", "paper", "--lr-patience", "5"]
    assert settings_of("--config", file) == settings_of(*options)


def test_wrong_use(run, tmp_path):
    folder, _ = run()
    given = Invocation(like=folder, config=folder)
    for invocation, message in [
        (given, "--like and --config exclude each other"),
        (Invocation(like=folder, resume="auto"), "are for a new run: leave out --resume"),
        (Invocation(like=tmp_path / "none"), "none: No such file or directory"),
        (Invocation(like=tmp_path), "run.json: No such file or directory"),
    ]:
        with pytest.raises(UsageError) as error:
            complete({}, invocation)
        assert message in str(error.value)
    (folder / "run.json").write_text("[]")
    with pytest.raises(UsageError, match="holds no settings by name"):
        settings_of("--like", folder)


def test_without_either_nothing_is_read():
    assert complete({"lr": 1.0}, Invocation()) == {"lr": 1.0}
    assert settings_of() == asdict(new_run({}))
    assert Settings().lr == 0.01


def test_a_run_like_another_one_is_the_same(start, narrow, undisturbed, tmp_path):
    assert start(tmp_path / "again", "--like", str(undisturbed)) == 0
    assert rows_of(tmp_path / "again") == rows_of(undisturbed)
