"""Fixtures for tests of commands: a narrow network, its images, and runs of it."""

import numba
import pytest

from alexnet import train
from alexnet.model import ARCHITECTURES
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT
from tests.alexnet.runs import OPTIONS, STEPS_PER_EPOCH, write_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module")
def narrow():
    """Networks that are trained in this process are narrow ones, for which one thread will do."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
        patch.setitem(ARCHITECTURES, "owt", NarrowOWT)
        yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def start(narrow, photos):
    """Runs the command for a new run in a folder."""

    def start(folder, *options):
        return train.main([*OPTIONS, "--data-root", str(photos), "--out", str(folder), *options])

    return start


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """The folder of a complete run; tests only read it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert start(folder) == 0
    return folder


@pytest.fixture
def stopped(start, tmp_path):
    """The folder of a run that was stopped in its second epoch."""
    folder = tmp_path / "stopped"
    assert start(folder, "--max-steps", str(STEPS_PER_EPOCH + 1)) == 0
    return folder


@pytest.fixture
def error_of(capfd):
    """Runs something that fails and returns its exit code and its one line about the error."""

    def error_of(run, *arguments):
        capfd.readouterr()
        code = run(*arguments)
        lines = capfd.readouterr().err.splitlines()
        assert not any("Traceback" in line for line in lines)
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        return code, lines[-1].removeprefix("error: ")

    return error_of
