"""Compiled kernels are found again, and only as long as the sources are the same."""

import importlib.util
import os
import subprocess
import sys

import pytest

from minigrad.kernels.shared import threads

SOURCE = """
from minigrad.kernels.shared.threads import jit

@jit
def double(x):
    return 2 * x
"""


@pytest.fixture
def compile_anew(tmp_path):
    """Imports the same file as a new process would, and calls its kernel."""
    path = tmp_path / "doubling.py"
    path.write_text(SOURCE)

    def compile_anew():
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.double(21) == 42
        stats = module.double.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())

    return compile_anew


def test_a_changed_shared_source_is_compiled_anew(compile_anew, monkeypatch):
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
    monkeypatch.setattr(threads, "_sources", "others")
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)


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
