"""The threads that all kernels of the CPU share."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import minigrad as mg
from minigrad import backend
from minigrad.kernels.shared import threading_layer

ROOT = Path(__file__).parents[2]

RELU = """
import numpy as np, minigrad as mg
from minigrad import functional as F
x = mg.Tensor(np.random.default_rng(0).standard_normal(100_000).astype(np.float32))

def relu(_=None):
    return F.relu(x).numpy().tobytes()
"""


def run(script, **environment):
    """A finished process; one that waits for threads that do not exist would never end."""
    return subprocess.run(
        [sys.executable, "-c", RELU + script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "environment, spin_count",
    [
        ({}, threading_layer.SPIN_COUNT),
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


FORKED = """
import multiprocessing, os, sys

def answers(count):
    with multiprocessing.get_context("fork").Pool(count) as pool:
        return set(pool.map_async(relu, range(2 * count)).get(timeout=60))

before = answers(2)
expected = {relu()}
after = answers(2)
if not (child := os.fork()):  # whose own child has a grandparent with threads
    os._exit(0 if answers(1) == expected else 1)
assert os.waitpid(child, 0)[1] == 0
assert before == after == expected
print("equal")
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_kernels_run_in_forked_children(layer):
    """Before and after the parent has run some; the bits are the same."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    result = run(FORKED, NUMBA_THREADING_LAYER=layer)
    assert (result.returncode, result.stdout) == (0, "equal\n"), result.stderr


CONCURRENT = """
from concurrent.futures import ThreadPoolExecutor
expected = relu()
with ThreadPoolExecutor(4) as pool:
    assert set(pool.map(relu, range(400))) == {expected}
import numba
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_kernels_run_in_several_python_threads(layer):
    result = run(CONCURRENT, NUMBA_THREADING_LAYER=layer)
    assert result.returncode == 0, result.stderr
    if layer != "default":
        assert result.stdout == f"{layer}\n"


@pytest.mark.parametrize(
    "layer, priority, openmp, safe",
    [
        ("default", "tbb omp workqueue", True, True),
        ("default", "tbb omp workqueue", False, False),
        ("default", "workqueue tbb omp", True, False),
        ("omp", "tbb omp workqueue", True, True),
        ("workqueue", "tbb omp workqueue", True, False),
        ("forksafe", "tbb omp workqueue", True, False),
        ("threadsafe", "tbb omp workqueue", True, True),
    ],
)
def test_which_layers_let_python_threads_run_kernels_at_once(
    monkeypatch, layer, priority, openmp, safe
):
    monkeypatch.setattr(numba.config, "THREADING_LAYER", layer)
    monkeypatch.setattr(numba.config, "THREADING_LAYER_PRIORITY", priority.split())
    monkeypatch.setattr(threading_layer, "_openmp", object() if openmp else None)
    assert threading_layer.is_thread_safe() == safe


@pytest.mark.parametrize(
    "name, value, line",
    [
        ("THREADING_LAYER", "nonsense", "=nonsense is ignored: Numba knows no such layer"),
        ("THREADING_LAYER", "tbb", "=tbb is ignored: its library is not installed"),
        ("THREADING_LAYER", "safe", "=safe is ignored: its library is not installed"),
        ("THREADING_LAYER", "omp", "=omp is ignored: its library is not installed"),
        ("THREADING_LAYER", "threadsafe", "=threadsafe is ignored: its library is not installed"),
        ("THREADING_LAYER", "forksafe", None),
        ("THREADING_LAYER", "workqueue", None),
        ("THREADING_LAYER_PRIORITY", ["omp"], "=omp is ignored: it must name tbb, omp, workqueue"),
        ("THREADING_LAYER_PRIORITY", ["workqueue", "omp", "tbb"], None),
    ],
)
def test_layers_that_cannot_be_used_are_ignored(monkeypatch, caplog, name, value, line):
    monkeypatch.setattr(threading_layer, "_loaded", lambda library: None)
    monkeypatch.setattr(threading_layer, "_openmp", None)
    monkeypatch.setattr(numba.config, name, value)
    monkeypatch.setenv(f"NUMBA_{name}", "anything")
    threading_layer._ignore_unusable_settings()
    if line is None:
        assert not caplog.messages and getattr(numba.config, name) == value
        return
    (message,) = caplog.messages
    assert message.startswith(f"NUMBA_{name}{line}")
    default = {"THREADING_LAYER": "default"}.get(name, ["tbb", "omp", "workqueue"])
    assert getattr(numba.config, name) == default
    assert f"NUMBA_{name}" not in os.environ


def test_settings_cost_a_line_each_and_nothing_else():
    result = run(
        "relu()",
        NUMBA_NUM_THREADS="0",
        NUMBA_THREADING_LAYER="nonsense",
        NUMBA_THREADING_LAYER_PRIORITY="omp",
    )
    assert result.returncode == 0, result.stderr
    names = [line.split("=")[0] for line in result.stderr.splitlines()]
    assert names == [
        "NUMBA_NUM_THREADS",
        "NUMBA_THREADING_LAYER",
        "NUMBA_THREADING_LAYER_PRIORITY",
    ]


def test_without_a_compiler_there_is_no_backend(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(mg.BackendError, match="unset"):
        backend.Backend().kernels  # noqa: B018
