"""Fixtures shared by all tests."""

import contextlib
import importlib

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad.kernels.shared import bfloat16
from tests import cuda_emulator
from tests.kernels.on_device import memory_pool_off


def pytest_addoption(parser):
    parser.addoption(
        "--gpu",
        action="store_true",
        help="run the tests of the backend 'cuda' on a GPU instead of in the emulator",
    )
    parser.addoption(
        "--no-memory-pool",
        action="store_true",
        help="give every array on the GPU an allocation of its own, for compute-sanitizer: of what "
        "CuPy's memory pool hands out it does not see the ends",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, whose options it sets
def pytest_cmdline_main(config):
    """The whole suite runs on all cores; tests that are chosen run in this process."""
    is_worker = hasattr(config, "workerinput")
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_worker
    # There is no such option without pytest-xdist, and a GPU is there only once.
    undecided = getattr(config.option, "numprocesses", 0) is None and not config.option.gpu
    if everything and undecided and not config.option.usepdb:
        config.option.numprocesses, config.option.dist = "auto", "worksteal"


@pytest.fixture(autouse=True)
def seed():
    """Every test begins with the same random keys."""
    mg.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def one_thread():
    """For thousands of tiny calls, where a second thread is only something to wait for."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@pytest.fixture
def cuda(request):
    """The backend "cuda": in the emulator, or on a GPU with --gpu."""
    with connected_cuda(request.config) as connected:
        yield connected
    mg.set_float32_matmul_precision("highest")


@contextlib.contextmanager
def connected_cuda(config):
    """A backend "cuda" of its own for a test."""
    with (
        # Not the fixture: what a test changes with that must be undone before the emulator goes.
        pytest.MonkeyPatch.context() as monkeypatch,
        contextlib.nullcontext() if config.getoption("--gpu") else cuda_emulator.installed(),
    ):
        monkeypatch.setattr(backend, "_cuda", None)
        connected = backend.get("cuda")
        pool_is_off = config.getoption("--no-memory-pool")
        with memory_pool_off(connected.xp) if pool_is_off else contextlib.nullcontext():
            yield connected
            # The next test may get the memory of a copy that this one began and did not wait for.
            connected.xp.cuda.Device().synchronize()


@pytest.fixture
def memory_pool(request, cuda):
    """The memory pool of the backend "cuda", for tests of what it does."""
    if request.config.getoption("--no-memory-pool"):
        pytest.skip("the memory pool is off (--no-memory-pool)")
    return cuda.xp.get_default_memory_pool()


@pytest.fixture(params=["cpu", "reference", "cuda"])
def kernels(request, monkeypatch):
    """Runs the test on the kernels of the CPU, on the reference kernels, and on the GPU's."""
    if request.param == "cuda":
        request.getfixturevalue("cuda")
    else:
        module = importlib.import_module(f"minigrad.kernels.{request.param}")
        monkeypatch.setattr(backend.get("cpu"), "kernels", module)
    return request.param


@pytest.fixture(scope="module")
def bfloat16_supported():
    """Products in bfloat16 are allowed on any processor: kernels compute them without instructions
    for it, only not faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bfloat16, "SUPPORTED", True)
        yield


@pytest.fixture
def torch():
    """PyTorch; the tests that compare with it are reported as skipped where it is missing."""
    return pytest.importorskip("torch")
