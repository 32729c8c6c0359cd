"""The runner: the order of the runs, what is kept, and how it goes on after a stop."""

import json
import re
import shlex
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from alexnet import train
from alexnet.experiments import __main__ as command
from alexnet.experiments import measures, runner, single_run
from alexnet.experiments.experiment import EpochsTo
from alexnet.experiments.listing import listing
from alexnet.experiments.record import Record
from alexnet.inference.trained import Trained
from alexnet.run.checkpoint import LAST
from alexnet.training.trainer import Trainer
from tests.alexnet.experiments.tiny import LEVEL, NAME, SEARCH, TINY
from tests.alexnet.runs import STEPS_PER_EPOCH, rows_of

ORDER = [("slow", 0), ("fast", 0), ("slow", 1), ("fast", 1)]


def rows_in(folder, experiment=TINY):
    return Record(folder / "rows.csv", experiment).rows


def results(folder, experiment=TINY):
    """Everything in the record that does not depend on the time, by arm and seed."""
    return {
        key: {name: v for name, v in row.values.items() if name not in measures.TIMING}
        | {"curves": row.curves, "digest": row.digest, "state": row.state}
        for key, row in rows_in(folder, experiment).items()
    }


def test_all_arms_of_a_seed_come_before_the_next_seed(complete):
    assert list(rows_in(complete)) == ORDER


def test_a_search_of_rates_has_seeds_of_its_own(experiments, photos, tmp_path, capsys):
    """So that no run counts as a result by which a rate was chosen."""
    experiments[SEARCH.name] = SEARCH
    words = [SEARCH.name, "--data-root", str(photos), "--out", str(tmp_path), "--seeds", "1"]
    assert command.main(words) == 0
    rows = Record(tmp_path / "rows.csv", SEARCH).rows
    assert list(rows) == [("0.001", 1000), ("0.01", 1000)]
    assert [row.settings["lr"] for row in rows.values()] == [0.001, 0.01]
    assert "2 of 2 runs" in capsys.readouterr().out
    assert "rows: 2 of 4" in listing({SEARCH.name: SEARCH}, {SEARCH.name: tmp_path / "rows.csv"})


def test_a_row_has_what_the_metrics_of_the_last_epoch_say(complete):
    for (arm, seed), row in rows_in(complete).items():
        last = rows_of(complete / "runs" / f"{arm}-{seed}")[-1]
        for name in ("train_top1", "val_top1", "val_loss", "val_top5"):
            assert row.values[name] == last[name]
        assert row.values["epochs"] == 2 and row.values["val_images"] == 6
        error = [1 - top1 for top1 in row.curves["train_top1"]]
        assert row.values[LEVEL.column] == LEVEL.of(error)
        assert 0 < row.values["color_p"] <= 1


def test_the_command_of_a_row_repeats_the_training(complete, narrow, tmp_path):
    row = rows_in(complete)["fast", 1]
    words = shlex.split(row.command)
    assert words[:3] == ["python", "-m", "alexnet.train"]
    assert train.main([*words[3:], "--out", str(tmp_path / "run")]) == 0
    assert rows_of(tmp_path / "run") == rows_of(complete / "runs/fast-1")


def test_networks_are_removed_and_the_rest_stays(complete):
    for arm, seed in ORDER:
        folder = complete / "runs" / f"{arm}-{seed}"
        assert not list(folder.glob("*.safetensors"))
        assert (folder / "run.json").exists()


def test_complete_runs_are_not_made_again_even_without_their_folders(
    run_tiny, complete, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(complete / "rows.csv", folder)
    monkeypatch.setattr(runner, "train", lambda *arguments: pytest.fail("a run is made"))
    assert run_tiny(folder) == 0
    assert capsys.readouterr().out == f"4 of 4 runs in {folder / 'rows.csv'}\n"


def test_kept_networks_are_those_that_were_measured(run_tiny, photos, tmp_path):
    folder = tmp_path / "out"
    assert run_tiny(folder, "--seeds", "1", "--arms", "fast", "--keep-networks") == 0
    run, row = folder / "runs/fast-0", rows_in(folder)["fast", 0]
    assert [path.name for path in run.glob("*.safetensors")] == [LAST]
    network = Trained(run / LAST)
    training = network.evaluate(photos, split="train")
    assert row.values["train_top1_evaluated"] == training.accuracy(1).value
    one, ten = (network.evaluate(photos, views=views).rank == 1 for views in (1, 10))
    assert row.values["val_top1"] == one.mean()
    assert row.values["ten_views_top1"] == ten.mean()
    assert row.values["only_one_view"] == (one > ten).sum()
    assert row.values["only_ten_views"] == (ten > one).sum()


def test_more_seeds_and_other_arms_are_added(run_tiny, complete, tmp_path):
    folder = tmp_path / "out"
    assert run_tiny(folder, "--arms", "fast", "--seeds", "1") == 0
    assert list(rows_in(folder)) == [("fast", 0)]
    assert run_tiny(folder) == 0
    assert list(rows_in(folder)) == [("fast", 0), ("slow", 0), ("slow", 1), ("fast", 1)]
    assert results(folder) == results(complete)


def test_ctrl_c_saves_and_the_same_command_continues(
    run_tiny, complete, tmp_path, monkeypatch, capfd
):
    folder, step, steps = tmp_path / "out", Trainer.step, 0

    def interrupted(trainer, *batch):
        nonlocal steps
        steps += 1
        if steps == 2 * STEPS_PER_EPOCH + 7:  # in the second epoch of the second run
            signal.raise_signal(signal.SIGINT)
        return step(trainer, *batch)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert run_tiny(folder) == 130
    printed = capfd.readouterr()
    assert printed.err.endswith("\ninterrupted\n")
    assert printed.out.endswith(f"1 of 4 runs in {folder}/rows.csv; the same command continues\n")
    assert run_tiny(folder) == 0
    assert steps == 4 * 2 * STEPS_PER_EPOCH
    assert results(folder) == results(complete)


def test_no_run_is_begun_when_the_time_is_over(run_tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "train", lambda *arguments: pytest.fail("a run is made"))
    monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=lambda: -1e9))  # the start
    assert run_tiny(tmp_path / "out", "--max-time", "1s") == 0
    assert "0 of 4 runs" in capsys.readouterr().out


def test_a_run_ends_saved_when_the_time_is_over(run_tiny, complete, tmp_path, monkeypatch, capsys):
    folder, run, times = tmp_path / "out", single_run.run, []

    def timed(options, invocation, team, started):
        times.append((started, invocation.max_time))
        stop = {"max_steps": 7} if len(times) == 2 else {}  # as if the time were over then
        return run(options, replace(invocation, **stop), team, started)

    monkeypatch.setattr(single_run, "run", timed)
    assert run_tiny(folder, "--max-time", "1h") == 0
    assert times == [(times[0][0], 3600)] * 2
    assert "1 of 4 runs" in capsys.readouterr().out
    assert run_tiny(folder) == 0
    assert results(folder) == results(complete)


def test_a_run_that_diverges_is_a_row(run_tiny, experiments, tmp_path):
    arms = {"slow": {"lr": 0.001}, "fast": {"lr": 1e9}}
    experiments[NAME] = experiment = replace(TINY, arms=arms)
    folder = tmp_path / "out"
    assert run_tiny(folder, "--seeds", "1") == 0
    rows = rows_in(folder, experiment)
    assert [row.state for row in rows.values()] == ["done", "diverged"]
    assert rows["fast", 0].values["val_top1"] is None
    assert run_tiny(folder, "--seeds", "1") == 0
    assert run_tiny(folder, "--repeat", "fast:0") == 0


@pytest.fixture
def until(experiments):
    """The experiment whose runs end when the training error is at 34%, after 12 epochs at most."""
    level = EpochsTo(0.34)
    constant = {"lr_schedule": "constant", "warmup": 0, "epochs": 12}
    experiments[NAME] = replace(
        TINY,
        settings={**TINY.settings, **constant},
        arms={"fast": {"lr": 0.02}, "slow": {"lr": 1e-6}},
        epochs_to=(level,),
        until=level,
        ten_views=False,
        seeds=1,
    )
    return experiments[NAME]


def test_a_run_is_extended_until_the_level_is_reached(until, run_tiny, tmp_path):
    folder = tmp_path / "out"
    assert run_tiny(folder, "--arms", "fast") == 0
    row = rows_in(folder, until)["fast", 0]
    errors = [1 - top1 for top1 in row.curves["train_top1"]]
    assert errors[-1] <= 0.34 < min(errors[:-1])
    assert row.values["epochs"] == len(errors) < 12
    assert not row.values["epochs_to_0.34"].censored
    words = shlex.split(row.command)[3:]
    assert train.main([*words, "--out", str(tmp_path / "run")]) == 0
    assert rows_of(tmp_path / "run") == rows_of(folder / "runs/fast-0")


def test_a_run_that_is_made_anew_does_not_count_the_epochs_of_the_old_one(
    until, run_tiny, tmp_path
):
    """Its row is gone and its checkpoints were removed, but its metrics are still there."""
    folder = tmp_path / "out"
    assert run_tiny(folder, "--arms", "fast") == 0
    before = results(folder, until)
    metrics = folder / "runs/fast-0/metrics.jsonl"
    text = metrics.read_text()
    metrics.write_text(text + text.splitlines(keepends=True)[-1] * 2)  # as if it had been longer
    (folder / "rows.csv").unlink()
    assert run_tiny(folder, "--arms", "fast") == 0
    assert results(folder, until) == before


def test_kept_networks_stay_when_the_command_comes_without_the_option(run_tiny, tmp_path):
    """What a killed command left is removed, but what was kept on purpose is not."""
    folder = tmp_path / "out"
    assert run_tiny(folder, "--seeds", "1", "--arms", "fast", "--keep-networks") == 0
    assert run_tiny(folder, "--seeds", "1", "--arms", "fast") == 0
    assert (folder / "runs/fast-0" / LAST).exists()
    shutil.copy(folder / "runs/fast-0" / LAST, folder / "runs/fast-0/step-00000010.safetensors")
    assert run_tiny(folder, "--seeds", "1", "--arms", "fast") == 0
    assert not list(folder.rglob("*.safetensors"))


def test_a_run_that_never_gets_there_is_censored(until, experiments, run_tiny, tmp_path):
    experiments[NAME] = until = replace(until, settings={**until.settings, "epochs": 2})
    assert run_tiny(tmp_path / "out", "--arms", "slow") == 0
    row = rows_in(tmp_path / "out", until)["slow", 0]
    assert (row.values["epochs"], str(row.values["epochs_to_0.34"])) == (2, ">1.5")


def changed(experiments, **arm):
    experiments[NAME] = replace(TINY, arms={**TINY.arms, "fast": {"lr": 0.01, **arm}})


def test_rows_with_other_settings_are_refused(run_tiny, experiments, complete, error_of):
    changed(experiments, momentum=0.8)
    code, line = error_of(run_tiny, complete)
    assert code == 2
    assert "fast, seed 0" in line and "momentum was 0.9, and is 0.8 now" in line


def test_rows_in_another_precision_are_refused(run_tiny, complete, error_of, bfloat16_supported):
    code, line = error_of(run_tiny, complete, "--seeds", "3", "--precision", "bf16")
    assert code == 2 and "precision was float32, and is bf16 now" in line


def test_rows_of_other_images_are_refused(run_tiny, complete, photos, tmp_path, error_of):
    other = tmp_path / "photos"
    shutil.copytree(photos, other)
    for path in (other / "red").glob("[1-5].png"):
        path.unlink()
    code, line = error_of(run_tiny, complete, "--seeds", "3", "--data-root", str(other))
    assert code == 2 and "other images" in line


def test_other_data_than_the_experiment_is_about_are_refused(
    run_tiny, experiments, tmp_path, error_of
):
    experiments[NAME] = replace(TINY, data="cifar10")
    code, line = error_of(run_tiny, tmp_path / "out")
    assert code == 3 and "these images are not cifar10, which tiny is about" in line


def test_an_unfinished_run_with_other_settings_is_refused(
    run_tiny, experiments, tmp_path, monkeypatch, error_of
):
    """Also a rate, which a run that is continued may change."""
    folder = tmp_path / "out"
    monkeypatch.setattr(single_run, "run", _stopped_after_a_step(single_run.run))
    assert run_tiny(folder, "--arms", "fast") == 0
    changed(experiments, lr=0.02)
    code, line = error_of(run_tiny, folder, "--arms", "fast")
    assert code == 2 and "lr was 0.01, and is 0.02 now" in line


def _stopped_after_a_step(run):
    def stopped(options, invocation, *others):
        return run(options, replace(invocation, max_steps=1), *others)

    return stopped


def test_a_folder_that_another_command_uses_is_refused(run_tiny, tmp_path, error_of):
    folder = tmp_path / "out"
    folder.mkdir()
    with runner.files.locked(folder / runner.LOCK):
        code, line = error_of(run_tiny, folder)
    assert code == 2 and "is in use by another command" in line


def test_what_another_command_is_writing_stays(run_tiny, tmp_path, monkeypatch, error_of):
    """Its --rows may be in this folder, and so its temporary folder."""
    folder = tmp_path / "out"
    monkeypatch.setattr("alexnet.experiments.record.LONGEST_WAIT", 0.1)
    unfinished = folder / f"{runner.files.UNFINISHED}rows"
    unfinished.mkdir(parents=True)
    with runner.writing_rows(folder):
        code, line = error_of(run_tiny, folder)
    assert code == 2 and "in use by another command" in line
    assert unfinished.exists()


def test_a_foreign_run_in_the_place_of_a_run_is_refused(run_tiny, tmp_path, undisturbed, error_of):
    folder = tmp_path / "out"
    shutil.copytree(undisturbed, folder / "runs/slow-0")
    code, line = error_of(run_tiny, folder)
    assert code == 2 and "no experiment has made" in line


def test_repeat_is_the_same_digit_for_digit(run_tiny, complete, capsys):
    before = sorted(complete.rglob("*"))
    assert run_tiny(complete, "--repeat", "fast:0") == 0
    assert capsys.readouterr().out.endswith("fast, seed 0: the same, digit for digit\n")
    assert sorted(complete.rglob("*")) == before


def test_repeat_names_what_differs(run_tiny, complete, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    text = (complete / "rows.csv").read_text()
    row = rows_in(complete)["slow", 0]
    loss, curve = row.values["val_loss"], row.curves["val_top1"]
    text = text.replace(f",{loss!r},", ",0.5,").replace(json.dumps(curve), "[0.125, 0.125]")
    (folder / "rows.csv").write_text(text)
    assert run_tiny(folder, "--repeat", "slow:0") == 1
    printed = capsys.readouterr().out
    assert f"val_loss: 0.5 in the record, {loss} now" in printed
    assert "curve of val_top1: from epoch 1 on" in printed
    assert not re.search("seconds|images_per_s", printed.split("slow, seed 0: ")[1])


def test_repeat_of_a_run_that_there_is_not(run_tiny, complete, error_of):
    code, line = error_of(run_tiny, complete, "--repeat", "fast:7")
    assert code == 2 and "has no row of fast, seed 7" in line


def test_repeat_of_an_arm_that_there_is_no_more(run_tiny, experiments, complete, error_of):
    experiments[NAME] = replace(TINY, arms={"slow": TINY.arms["slow"]}, comparisons=())
    code, line = error_of(run_tiny, complete, "--repeat", "fast:0")
    assert code == 2 and "tiny has no arm 'fast': choose from slow" in line


def test_a_row_from_before_there_was_an_option_had_its_default(experiments, complete, tmp_path):
    text = (complete / "rows.csv").read_text().replace('""precision"": ""float32"", ', "")
    assert "float32" not in text.replace("--precision float32", "")
    (tmp_path / "rows.csv").write_text(text)
    assert command.main([NAME, "--out", str(tmp_path), "--table"]) == 0
