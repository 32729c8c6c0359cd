"""Fixtures of the emulator's own tests."""

import shutil

import pytest

from tests import cuda_emulator
from tests.cuda_emulator import settings


@pytest.fixture(autouse=True, scope="session")
def compiler():
    if shutil.which(settings.compiler) is None:
        pytest.fail(f"the CUDA emulator needs {settings.compiler}", pytrace=False)


@pytest.fixture
def cupy():
    """The stand-in, in place of any real CuPy."""
    with cuda_emulator.installed() as module:
        yield module


@pytest.fixture(params=settings.ORDERS)
def order(request, monkeypatch):
    """Runs the test once in each order of threads."""
    monkeypatch.setattr(settings, "order", request.param)
    return request.param
