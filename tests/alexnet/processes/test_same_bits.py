"""N processes train like one that computes all parts of a batch itself, bit for bit."""

import json
import shutil

import numpy as np
import pytest

from alexnet import train
from alexnet.data import __main__ as data_command
from alexnet.data import load
from alexnet.data.transforms import ORDER_STREAM, KeyedGenerator
from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.runs import OPTIONS, assert_same_run, resume

PARTS = ("--accumulate", "4")
KINDS = ("damaged", "prepared", "pretrained", "bf16", "settings")
SETTINGS = (
    *("--sampling", "balanced", "--label-smoothing", "0.1", "--clip-grad-norm", "1"),
    *("--ema", "0.8", "--nesterov", "--freeze", "conv1,fc6"),
)
SKIP_DAMAGED = ("--bad-images", "skip", "--max-bad-images", "11")


@pytest.fixture(scope="module")
def damaged(photos, tmp_path_factory):
    """Images of which the first epoch, in batches of 8, reads damaged ones.

    A part of its first batch and all of its second one; there are 2 left for the third one.
    """
    root = tmp_path_factory.mktemp("damaged") / "photos"
    shutil.copytree(photos, root)
    dataset = load("folder", root)["train"]
    assert len(dataset) == 18
    order = KeyedGenerator(0, ORDER_STREAM).at(0).permutation(18)
    for index in (*order[2:5], *order[8:16]):
        (root / dataset.name(index)).write_bytes(b"damaged")
    return root


@pytest.fixture(scope="module")
def command(photos, damaged, undisturbed, tmp_path_factory):
    """The arguments of a training of some kind, up to its folder."""
    prepared = tmp_path_factory.mktemp("prepared") / "shards"
    assert data_command.main(["prepare", str(photos), str(prepared)]) == 0
    weights = prepared.with_name("weights.csv")
    weights.write_text("red,2\ngreen,0.5\nblue,1\n")

    def command(kind, folder, *options):
        by_kind = {
            # A new run shows rank 0 all images, for their statistics.
            "damaged": (
                *("--init-from", undisturbed, "--data-root", damaged, "-b", "8"),
                *SKIP_DAMAGED,
            ),
            "prepared": ("--data", "auto", "--data-root", prepared, "--mean", "image"),
            "pretrained": ("--data-root", photos, "--init-from", undisturbed, "--epochs", "1"),
            "bf16": ("--data-root", photos, "--epochs", "1", "--precision", "bf16"),
            "settings": ("--data-root", photos, "--class-weights", weights, *SETTINGS),
            "default": ("--data-root", photos, "-b", "16", "--max-steps", "1"),
        }
        return list(map(str, (*OPTIONS, *by_kind[kind], *options, "--out", folder)))

    return command


@pytest.fixture(scope="module")
def by_one(command, bfloat16_supported, tmp_path_factory):
    """The folder with the runs of one process, by kind."""
    folder = tmp_path_factory.mktemp("one")
    for kind in KINDS:
        assert train.main(command(kind, folder / kind, *PARTS)) == 0
    assert train.main(command("default", folder / "default")) == 0
    return folder


@pytest.fixture(scope="module")
def by_several(train_in_turn, command, tmp_path_factory):
    """The folder with the runs of 2 and of 4 processes, and what each of them printed.

    "moved" is begun by 2 processes and continued by 4.
    """
    folder = tmp_path_factory.mktemp("several")
    printed = {}
    for processes in (2, 4):
        runs = folder / str(processes)
        runs.mkdir()
        kinds = KINDS if processes == 2 else KINDS[:1]
        commands = {kind: command(kind, runs / kind, *PARTS) for kind in kinds}
        if processes == 2:
            commands["moved"] = command("prepared", folder / "moved", *PARTS, "--max-steps", "3")
            commands["default"] = command("default", runs / "default")
            commands["dry run"] = command("prepared", runs / "dry run", "--dry-run")
            commands["help"] = ["--help"]
        else:
            commands["moved"] = ["--resume", folder / "moved", "--max-steps", "7"]
        results = train_in_turn(processes, commands.values())
        printed |= {(processes, kind): list(by) for kind, by in zip(commands, zip(*results))}
    assert {result["code"] for results in printed.values() for result in results} == {0}
    return folder, printed


@pytest.mark.parametrize("kind, processes", [*((kind, 2) for kind in KINDS), (KINDS[0], 4)])
def test_the_same_bits(by_one, by_several, kind, processes):
    folder, printed = by_several
    assert_same_run(folder / str(processes) / kind, by_one / kind)
    assert "best top-1" in printed[processes, kind][0]["out"]


def test_skipped_images_are_listed_once(by_one, by_several):
    lists = [
        sorted((folder / "damaged" / "bad_images.txt").read_text().splitlines())
        for folder in (by_one, by_several[0] / "2", by_several[0] / "4")
    ]
    assert len(lists[0]) == len(set(lists[0])) == 11
    assert lists[1:] == lists[:1] * 2


def test_a_run_moves_from_2_processes_to_4_to_1(by_one, by_several):
    folder = by_several[0] / "moved"
    assert Checkpoint.load(folder / LAST).schedule["steps"] == 7
    assert resume(folder) == 0
    assert_same_run(folder, by_one / "prepared")
    starts = json.loads((folder / "run.json").read_text())["starts"]
    assert [len(start["processes"]) for start in starts] == [2, 4, 1]
    assert {"host", "threads"} <= starts[0]["processes"][1].keys()


def test_the_default_run_agrees_to_rounding(by_one, by_several):
    """Dropout included: its masks do not depend on the parts."""
    one, two = (
        Checkpoint.load(folder / "default" / LAST) for folder in (by_one, by_several[0] / "2")
    )
    assert (one.arguments["accumulate"], two.arguments["accumulate"]) == (1, 2)
    for name, array in one.model.items():
        np.testing.assert_allclose(two.model[name], array, rtol=0, atol=1e-6)
    # The first rate of a warm-up is small, and so is what the step has changed.
    for name, array in one.optimizer.items():
        np.testing.assert_allclose(
            two.optimizer[name], array, rtol=0, atol=1e-5 * np.abs(array).max()
        )


def test_only_rank_0_speaks(by_several):
    _, printed = by_several
    for (_, kind), results in printed.items():
        assert results[0]["out"] + results[0]["err"], kind
        assert [result["out"] + result["err"] for result in results[1:]] == [""] * (
            len(results) - 1
        ), kind
    assert printed[2, "help"][0]["out"].startswith("usage: ")


def test_a_dry_run_leaves_nothing(by_several):
    folder, printed = by_several
    assert "in 2 processes that divide each batch" in printed[2, "dry run"][0]["err"]
    assert not (folder / "2" / "dry run").exists()
