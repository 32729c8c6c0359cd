"""Settings: what their declarations decide, and the form in which they are stored."""

from collections import Counter
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.run.checkpoint import Checkpoint
from alexnet.training.options import SECTIONS, continued_run, new_run, parse
from alexnet.training.recipes import RECIPES
from alexnet.training.settings import Invocation, NetworkOptions, Settings, options

# In the order of run.json, which programs and people read.
STORED = """
    backend precision data data_root train_root val_root subset augmentation color_noise bad_images
    max_bad_images max_pixels image_size arch network recipe seed workers init_from keep save_every
    accumulate columns patience log_every tensorboard snapshot_filters batch_size epochs lr momentum
    weight_decay optimizer lr_schedule lr_step lr_gamma lr_patience warmup dropout init bias_init
    mean scale
""".split()
# Of these the checkpoint's state is made: another value would not continue the same run.
FIXED = """
    data subset image_size recipe seed init_from batch_size optimizer lr_schedule lr_step lr_gamma
    lr_patience warmup init bias_init mean scale
""".split()


def stored(**changes):
    """A checkpoint with the settings of a run."""
    return Checkpoint("alexnet", [], None, arguments={**asdict(Settings()), **changes})


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
    names = {f.name for kind in (Settings, NetworkOptions, Invocation) for f in fields(kind)}
    assert names - made_of_others == listed.keys()


def test_lars_has_a_rate_of_its_own():
    assert new_run({"optimizer": "lars"}).lr == 5
    assert new_run({"optimizer": "lars", "recipe": "paper"}).lr == 5
    assert new_run({"optimizer": "lars", "lr": 2.0}).lr == 2
    assert new_run({"optimizer": "adam"}).lr == new_run({}).lr == 0.01
    assert continued_run({}, stored(optimizer="lars", lr=3.0)).lr == 3


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
    expected = {**asdict(Settings()), **RECIPES[recipe], "recipe": recipe, "epochs": 3}
    if expected["scale"] != 1:  # alpha is that of gray levels
        expected["network"] = {"norm": {"alpha": 5e-4 / expected["scale"] ** 2}}
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


def test_a_run_whose_data_were_moved(tmp_path):
    checkpoint = stored(data="folder", data_root="/gone")
    with pytest.raises(DataError, match="/gone: no such folder, but .* were moved, .*--data-root"):
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
