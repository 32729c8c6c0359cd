"""What can be chosen, from the environment or by assignment to these names."""

import os
import tempfile
from pathlib import Path

ORDERS = ("forward", "reverse", "random")

order = os.environ.get("CUDA_EMULATOR_ORDER", "forward")
"""In which order blocks, and the threads of a block, take turns: one of `ORDERS`; or "all", which
runs every launch in all of them and fails where the results differ in any bit."""

seed = int(os.environ.get("CUDA_EMULATOR_SEED", "0"))
"""Chooses the random order."""

cache_folder = Path(
    os.environ.get("CUDA_EMULATOR_CACHE")
    or Path(tempfile.gettempdir()) / f"cuda_emulator_{os.getuid()}"
)
"""Where compiled sources are kept."""

devices = tuple(map(int, os.environ.get("CUDA_EMULATOR_DEVICES", "0").split(",")))
"""The numbers of the machine's GPUs that this process sees: (0, 1), or (1,) if it is shown one."""

nccl_seconds = float(os.environ.get("CUDA_EMULATOR_NCCL_SECONDS", "60"))
"""How long a rank waits for the others before it says that they do not come."""

compiler = os.environ.get("CXX", "g++")

sanitizer = os.environ.get("CUDA_EMULATOR_SANITIZER", "")
"""Empty, "address" or "thread". Set by `sanitize`: the process has to be started for it."""

sanitizer_log = os.environ.get("CUDA_EMULATOR_SANITIZER_LOG", "")
"""Beginning of the name of the file that the sanitizer writes its reports to."""


class EmulatorError(RuntimeError):
    """A kernel, or the call of one, is wrong in a way that a device would not report so kindly."""
