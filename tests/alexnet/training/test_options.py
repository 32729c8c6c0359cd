"""Settings: what their declarations decide, and the form in which they are stored."""

from collections import Counter
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.run.checkpoint import Checkpoint
from alexnet.training.invocation import Invocation
from alexnet.training.options import SECTIONS, continued_run, from_keywords, new_run, parse
from alexnet.training.recipes import ARCHITECTURE_SETTINGS, RECIPES
from alexnet.training.settings import NetworkOptions, Settings, options

# In the order of run.json, which programs and people read.
STORED = """
    backend precision data data_root train_root val_root image_column label_column subset
    augmentation color_noise bad_images max_bad_images max_pixels image_size resize arch network
    recipe seed workers init_from keep save_every accumulate columns patience log_every tensorboard
    snapshot_filters batch_size epochs
    lr momentum nesterov weight_decay optimizer clip_grad_norm ema label_smoothing class_weights
    sampling freeze lr_schedule lr_step lr_milestones lr_gamma lr_patience warmup dropout init
    bias_init mean scale
""".split()
# Of these the checkpoint's state is made: another value would not continue the same run.
FIXED = """
    data subset image_size resize recipe seed init_from batch_size optimizer sampling
    lr_schedule lr_step lr_milestones lr_gamma lr_patience warmup init bias_init mean scale
""".split()


def stored(**changes):
    """A checkpoint with the settings of a run."""
    preprocessing = Preprocessing(image_size=67, resize=70, mean=(0, 0, 0))
    return Checkpoint("alexnet", [], preprocessing, arguments={**asdict(Settings()), **changes})


def test_stored_settings_keep_their_names_and_their_order():
    assert list(asdict(Settings())) == STORED


def test_what_a_continued_run_may_not_change():
    fixed = [f.name for f in fields(Settings) if not f.metadata["free_on_resume"]]
    assert fixed == [name for name in STORED if name in FIXED]


def test_every_option_stands_in_one_section_of_help():
    listed = Counter()
    for names in SECTIONS.values():
        for name in names:
            listed.update([name] if isinstance(name, str) else name)
    assert listed == Counter(options().keys())
    made_of_others = {"network"}
    kinds = Settings, NetworkOptions, Invocation
    names = {field.name for kind in kinds for field in fields(kind)}
    assert names - made_of_others == listed.keys()


def test_lars_has_a_rate_of_its_own():
    assert new_run({"optimizer": "lars"}).lr == 5
    assert new_run({"optimizer": "lars", "recipe": "paper"}).lr == 5
    assert new_run({"optimizer": "lars", "lr": 2.0}).lr == 2
    assert new_run({"optimizer": "adam"}).lr == new_run({}).lr == 0.01
    assert continued_run({}, stored(optimizer="lars", lr=3.0)).lr == 3


def test_the_noise_of_conv1_decays_faster():
    """Only where it is noise: not in a trained network, nor in a net of other layers."""
    decay = {"default": 5e-4, "conv1": 0.01}
    assert new_run({}).weight_decay == new_run({"optimizer": "adam"}).weight_decay == decay
    for given in ({"recipe": "paper"}, {"arch": "owt"}, {"arch": "cifar"}, {"weight_decay": 5e-4}):
        assert new_run(given).weight_decay == 5e-4, given
    trained = stored()
    assert new_run({}, trained).weight_decay == 5e-4
    assert new_run({"weight_decay": decay}, trained).weight_decay == decay


def test_only_what_is_given_is_returned():
    given, invocation = parse(["--data-root", "/a/b/", "-b", "8", "--dry-run", "--max-time", "2m"])
    assert given == {"data_root": "/a/b", "batch_size": 8}
    assert invocation == Invocation(dry_run=True, max_time=120)


def test_stored_paths_mean_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of somebody")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("elsewhere/deep")
    for path, expected in (
        ("photos/", tmp_path / "photos"),
        (".", tmp_path),
        ("link", tmp_path / "link"),  # it may point to another place one day
        ("link/../photos", tmp_path / "elsewhere" / "photos"),
        ("~/my photos", "/home/of somebody/my photos"),
        ("./~", tmp_path / "~"),
    ):
        for name in ("data_root", "init_from"):
            given, _ = parse([f"--{name.replace('_', '-')}={path}"])
            assert given == {name: str(expected)}


@pytest.mark.parametrize("recipe", RECIPES)
def test_options_replace_settings_of_the_recipe(recipe):
    settings = new_run({"recipe": recipe, "epochs": 3, "data_root": "photos"})
    recipes = {**ARCHITECTURE_SETTINGS["alexnet"], **RECIPES[recipe]}
    expected = {**asdict(Settings()), **recipes, "recipe": recipe, "epochs": 3}
    if expected["scale"] != 1:
        expected["network"] = {"norm": {"alpha": 1e-4 / expected["scale"] ** 2}}
    assert asdict(settings) == {**expected, "data_root": "photos", "data": "auto"}
    with pytest.raises(FrozenInstanceError):
        settings.epochs = 4


def test_a_continued_run_keeps_what_it_was_started_with():
    checkpoint = stored(lr=0.5, batch_size=64, removed_long_ago=1)
    settings = continued_run({"lr": 0.25, "batch_size": 64}, checkpoint)
    assert (settings.lr, settings.batch_size) == (0.25, 64)
    with pytest.raises(UsageError, match="--batch-size 8 cannot be changed by --resume: .* has 64"):
        continued_run({"batch_size": 8}, checkpoint)
    # A setting from after the run began: it may be chosen anyway, so its default will do.
    del checkpoint.arguments["max_pixels"]
    assert continued_run({}, checkpoint).max_pixels == Settings.max_pixels
    del checkpoint.arguments["seed"]
    with pytest.raises(CheckpointError, match="does not tell the run's seed"):
        continued_run({}, checkpoint)


def test_a_run_from_before_there_was_resize_keeps_its_square():
    checkpoint = stored(image_size=67)
    del checkpoint.arguments["resize"]
    assert continued_run({}, checkpoint).resize == 70
    assert continued_run({"resize": 70}, checkpoint).resize == 70
    with pytest.raises(UsageError, match="--resize 76 cannot be changed by --resume: .* has 70"):
        continued_run({"resize": 76}, checkpoint)


def test_a_run_whose_data_were_moved(tmp_path):
    checkpoint = stored(data="folder", data_root="/gone")
    with pytest.raises(DataError, match="/gone: no such .* were moved, .*--data-root"):
        continued_run({}, checkpoint)
    assert continued_run({"data_root": str(tmp_path)}, checkpoint).data_root == str(tmp_path)


@pytest.mark.parametrize("schedule, used", [("step", True), ("plateau", True), ("cosine", False)])
def test_options_of_other_schedules(schedule, used):
    given = {"lr_gamma": 0.5, "lr_schedule": schedule}
    if used:
        assert new_run(given).lr_gamma == 0.5
    else:
        with pytest.raises(UsageError, match="--lr-gamma is for --lr-schedule step or plateau"):
            new_run(given)


def test_options_of_the_network_make_one_setting():
    given = {"scale": 0.5, "activation": "tanh", "norm": "caffe", "without": ["conv3"]}
    settings = new_run(given)
    norm = {"alpha": 1e-4 / 0.25, "k": 1.0}
    assert settings.network == {"activation": "tanh", "without": ["conv3"], "norm": norm}
    assert new_run({"scale": 1.0}).network == {"norm": {"alpha": 1e-4}}
    # As the paper's text has it, which is what the network's class does without being asked.
    assert new_run({"recipe": "paper"}).network is new_run({"scale": 1.0, "norm": "lrn"}).network
    assert new_run({"recipe": "paper"}).network is None
    assert new_run({"recipe": "paper", "norm": "none"}).network == {"norm": {"kind": "none"}}
    assert new_run({"recipe": "paper", "arch": "owt"}).network is None
    assert new_run({"arch": "owt"}).network is None
    small = new_run({"arch": "cifar", "norm": "constant", "norm_gain": 0.5})
    assert small.network == {"norm": {"kind": "constant", "gain": 0.5}}
    assert (small.batch_size, small.dropout) == (128, 0)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"arch": "owt", "norm": "lrn"}, "'owt' has no normalization 'lrn': it has none"),
        ({"norm": "within"}, "has no normalization 'within': it has code2014, lrn, code2012"),
        ({"norm": "constant"}, "'constant' needs a gain: --norm-gain"),
        ({"norm_gain": 0.5}, "--norm-gain is for --norm constant"),
        ({"arch": "cifar", "groups": 1}, "the network 'cifar' has no variants in 'groups'"),
        ({"width": {"default": 1.0, "conv9": 2.0}}, "width: there is no layer 'conv9', only conv1"),
    ],
)
def test_a_network_that_there_is_not(given, message):
    with pytest.raises(UsageError, match=message):
        new_run(given)


def test_a_continued_run_keeps_its_network():
    checkpoint = stored(network={"activation": "tanh"}, scale=1.0)
    network = {"activation": "tanh"}
    assert continued_run({}, checkpoint).network == network
    assert continued_run({"activation": "tanh", "norm": "lrn"}, checkpoint).network == network
    with pytest.raises(UsageError, match="--activation relu cannot be changed by --resume"):
        continued_run({"activation": "relu"}, checkpoint)
    with pytest.raises(UsageError, match="--norm none cannot be changed by --resume"):
        continued_run({"norm": "none"}, checkpoint)
    with pytest.raises(UsageError, match=r"--width 0\.5,conv5=1\.0 cannot be changed by --resume"):
        continued_run({"width": {"default": 0.5, "conv5": 1.0}}, checkpoint)
    # From before alpha followed the scale, and before there was a setting.
    old = stored(network=None, scale=1 / 64)
    del old.arguments["bias_init"]
    settings = continued_run({}, old)
    assert settings.network is None and settings.bias_init is None


def test_lists_and_numbers_of_layers_as_python_writes_them():
    """And as run.json has them."""
    given = {"without": ["conv4", "conv3"], "weight_decay": {"default": 5e-4, "fc8": 1}}
    settings, _ = from_keywords({**given, "width": 0.5})
    assert settings["without"] == ["conv3", "conv4"]
    assert settings["weight_decay"] == {"default": 5e-4, "fc8": 1.0}
    assert settings["width"] == 0.5


def test_a_continued_run_has_the_network_of_its_checkpoint():
    checkpoint = stored()
    del checkpoint.arguments["network"]
    checkpoint.network = {"groups": 1}
    assert continued_run({}, checkpoint).network == {"groups": 1}
    del checkpoint.arguments["image_size"]
    with pytest.raises(CheckpointError, match="does not tell the run's image_size"):
        continued_run({}, checkpoint)
