"""Fixtures for tests of experiments: the command with an experiment of their own."""

import pytest

from alexnet.experiments import __main__ as command
from tests.alexnet.experiments.tiny import NAME, TINY


@pytest.fixture(scope="package")
def without_curves():
    """Runs draw no curves, which takes longer than their training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.visualize.figures.training_curves", lambda *arguments: None)
        yield


@pytest.fixture
def experiments(narrow, without_curves, monkeypatch):
    """The experiments that the command knows, by name."""
    known = {NAME: TINY}
    monkeypatch.setattr(command, "EXPERIMENTS", known)
    return known


@pytest.fixture
def run_tiny(experiments, photos):
    """Runs the command for the tiny experiment in a folder."""

    def run_tiny(folder, *options):
        return command.main([NAME, "--data-root", str(photos), "--out", str(folder), *options])

    return run_tiny


@pytest.fixture(scope="module")
def complete(narrow, without_curves, photos, tmp_path_factory):
    """The folder of the complete experiment; tests only read it."""
    folder = tmp_path_factory.mktemp("complete") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "EXPERIMENTS", {NAME: TINY})
        assert command.main([NAME, "--data-root", str(photos), "--out", str(folder)]) == 0
    return folder
