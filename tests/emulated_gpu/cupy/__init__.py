"""`import cupy` finds the emulator: it takes this module's place before the import is done."""

from tests import cuda_emulator

cuda_emulator.install()
