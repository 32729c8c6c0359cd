"""Processes with an emulated GPU each, connected by a real MPI and the emulator's NCCL."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.minigrad.distributed.sums_on_gpus import weight_and_images

ROOT = Path(__file__).parents[3]


def output(processes, gpus):
    pytest.importorskip("mpi4py")
    own = Path(sys.executable).parent / "mpiexec"
    mpiexec = own if own.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec on the path")
    result = subprocess.run(
        [mpiexec, "-n", str(processes), sys.executable, "-m", f"{__package__}.sums_on_gpus"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(["tests/emulated_gpu", str(ROOT)]),
            "CUDA_EMULATOR_DEVICES": gpus,
        },
        capture_output=True,
        text=True,
        timeout=120,
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
