"""Fixtures of the tests of teams."""

import pytest

from tests import teams
from tests.cuda_emulator import settings


@pytest.fixture
def cuda(request, cuda, monkeypatch):
    """In the emulator only: NCCL takes no two processes on one GPU."""
    if request.config.getoption("--gpu"):
        pytest.skip("several processes on one GPU are there in the emulator only")
    monkeypatch.setattr(settings, "nccl_seconds", teams.SECONDS)
    return cuda
