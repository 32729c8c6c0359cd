"""Fixtures of the tests of teams."""

import pytest


@pytest.fixture
def cuda(request, cuda):
    """In the emulator only: NCCL takes no two processes on one GPU."""
    if request.config.getoption("--gpu"):
        pytest.skip("several processes on one GPU are there in the emulator only")
    return cuda
