"""What only a sanitizer finds. Collected by test_sanitizers.py in processes started for it."""

import numpy as np
import pytest

from . import EmulatorError, settings
from .loading import kernels
from .test_defects import lines_of

ADDRESS = {
    "read_out_of_bounds": "heap-buffer-overflow",
    "write_out_of_bounds": "heap-buffer-overflow",
    "shared_out_of_bounds": "heap-buffer-overflow",
    "dynamic_shared_out_of_bounds": "heap-buffer-overflow",
    "copy_out_of_bounds": "heap-buffer-overflow",
}
THREAD = {
    "missing_barrier": "data race",
    "missing_second_barrier": "data race",
    "warps_in_step": "data race",
    "sum_without_atomic": "data race",
    "race_between_blocks": "data race",
    "race_across_a_shuffle": "data race",
}
DEFECTS = {"address": ADDRESS, "thread": THREAD}.get(settings.sanitizer, {})


@pytest.mark.parametrize("name", DEFECTS)
def test_report_names_the_line(cupy, rng, name):
    defects = kernels(cupy, "defects.cu", *(f"{name}<float>" for name in DEFECTS))
    y = cupy.zeros(64, np.float32)
    x = cupy.asarray(rng.standard_normal(64, dtype=np.float32))
    blocks = 2 if name == "race_between_blocks" else 1
    with pytest.raises(EmulatorError) as error:
        defects[name]((blocks,), (64,), (y, x), shared_mem=64 * 4)
    message = str(error.value)
    assert message.startswith(f"{name}<float>: {settings.sanitizer} sanitizer")
    assert DEFECTS[name] in message
    assert any(f"defects.cu:{line}" in message for line in lines_of(name))
