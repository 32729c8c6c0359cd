"""Processes with an emulated GPU each, connected by a real MPI and the emulator's NCCL."""

import os

import numpy as np

from tests import mpi
from tests.minigrad.distributed.sums_on_gpus import weight_and_images

pytestmark = mpi.needs_mpi


def output(processes, gpus):
    result = mpi.mpiexec(
        processes,
        *("-m", f"{__package__}.sums_on_gpus"),
        PYTHONPATH=os.pathsep.join(["tests/emulated_gpu", str(mpi.ROOT)]),
        CUDA_EMULATOR_DEVICES=gpus,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_sums_have_the_bits_of_one_process():
    parts = []
    for rank in range(2):
        weight, images = weight_and_images(rank)
        parts.append(images.T @ np.ones((len(images), weight.shape[1]), np.float32))
    expected = (parts[0] + parts[1]).tobytes().hex()
    assert output(2, "0,1").split() == [expected, expected]


def test_processes_that_would_share_a_gpu_are_refused():
    message = output(2, "0")
    assert message.startswith("ranks 0 and 1 on ") and "would share one GPU" in message
