"""Fixtures shared by all tests."""

import numba
import numpy as np
import pytest

import minigrad as mg
from kernels import Kernels
from minigrad import backend


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


@pytest.fixture(params=["cpu", "reference"])
def kernels(request, monkeypatch):
    """Runs the test on the kernels of the CPU, then on the reference kernels."""
    monkeypatch.setattr(backend.get("cpu"), "kernels", Kernels(request.param))
    return request.param


@pytest.fixture
def torch():
    """PyTorch; the tests that compare with it are reported as skipped where it is missing."""
    return pytest.importorskip("torch")
