"""The threads that all kernels of the CPU share."""

import os
import subprocess
import sys

import pytest

from minigrad.kernels.shared import threads


@pytest.mark.parametrize(
    "environment, spin_count",
    [
        ({}, threads.SPIN_COUNT),
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "passive"}, "0"),
    ],
)
def test_idle_threads_sleep_soon_unless_the_user_has_a_say(environment, spin_count):
    """As GNU OpenMP itself says when it is loaded; what comes later does not see the setting."""
    library = pytest.importorskip("numba.np.ufunc.omppool", reason="Numba has its own threads here")
    if library.openmp_vendor != "GNU":
        pytest.skip(f"the OpenMP library here is {library.openmp_vendor}'s, not GNU's")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "OMP_"))}
    result = subprocess.run(
        [sys.executable, "-c", "import minigrad, os; print(os.environ.get('GOMP_SPINCOUNT'))"],
        env={**clean, **environment, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spin_count}'" in result.stderr
    assert result.stdout.strip() == environment.get("GOMP_SPINCOUNT", "None")
