"""What is wrong in a kernel is found, and the error names the line, without a sanitizer."""

import re

import numpy as np
import pytest

from . import EmulatorError, settings
from .loading import FOLDER, kernels

# What finds a defect: NaN in the result; results that differ between the orders of threads; or an
# error with this message.
NAN = "NaN"
ORDER = "results depend on the order of threads"
DEFECTS = {
    "missing_barrier": NAN,
    "missing_second_barrier": ORDER,
    "warps_in_step": NAN,
    "uninitialized_shared": NAN,
    "atomic_sum_of_floats": ORDER,
    "last_writer_wins": ORDER,
    "copy_waited_too_late": NAN,
    "copy_never_waited_for": "asynchronous copies never waited for",
    "misaligned_copy": "misaligned address in cp.async",
    "misaligned_vector": "misaligned address",
    "divergent_barrier": "reached while others wait at that of defects.cu",
    "return_before_barrier": "__syncthreads",
    "shuffle_by_half_a_warp": "warp primitive",
    "shuffle_outside_mask": "shuffle reads a lane that is not in its mask",
    "caller_outside_mask": "called by a lane that is not in its mask",
    "deadlock": "deadlock",
    "divergent_warp": "warp divergence",
    "index_out_of_declared_bounds": "index out of the bounds of an array",
    "division_by_zero": "division by zero",
    "integer_overflow": "overflow of a signed integer in a multiplication",
    "trap": "__trap()",
    "too_much_static_shared": "more than 48 KiB of static shared memory",
    "dynamic_shared_not_given": "the launch gave it none",
}
# Errors in which no line can be named: there is no primitive at which they happen.
WITHOUT_LINE = {"copy_never_waited_for", "too_much_static_shared", "dynamic_shared_not_given"}


@pytest.fixture
def defects(cupy):
    return kernels(cupy, "defects.cu", *(f"{name}<float>" for name in DEFECTS))


@pytest.fixture
def arrays(cupy, rng):
    x = cupy.asarray(rng.standard_normal(64, dtype=np.float32))
    return cupy.zeros(64, np.float32), x


@pytest.mark.parametrize("name", [name for name, how in DEFECTS.items() if how == NAN])
def test_poison_shows_in_the_result_of_some_order(defects, arrays, monkeypatch, name):
    results = []
    for order in settings.ORDERS:
        monkeypatch.setattr(settings, "order", order)
        defects[name]((1,), (64,), arrays)
        results.append(arrays[0].get())
    assert np.isnan(results).any()


@pytest.mark.parametrize("name", [name for name, how in DEFECTS.items() if how == ORDER])
def test_comparing_orders_finds_it(defects, arrays, monkeypatch, name):
    defects[name]((1,), (64,), arrays)
    assert np.isfinite(arrays[0].get()).all()
    monkeypatch.setattr(settings, "order", "all")
    with pytest.raises(EmulatorError, match=f"{name}<float>: {ORDER}"):
        defects[name]((1,), (64,), arrays)


@pytest.mark.parametrize("name", [name for name, how in DEFECTS.items() if how not in (NAN, ORDER)])
def test_error_names_block_thread_and_line(defects, arrays, order, name):
    with pytest.raises(EmulatorError) as error:
        defects[name]((1,), (64,), arrays)
    message = str(error.value)
    assert message.startswith(f"{name}<float>: ")
    assert DEFECTS[name] in message
    assert re.search(r"block \(0,0,0\) thread \(\d+,0,0\)", message)
    if name not in WITHOUT_LINE:
        lines = [int(line) for line in re.findall(r"defects\.cu:(\d+)", message)]
        assert lines and set(lines) <= lines_of(name)


def lines_of(name):
    """The numbers of the lines between a kernel's name and its closing brace."""
    text = (FOLDER / "defects.cu").read_text()
    start = text.index(f" {name}(")
    end = text.index("\n}", start)
    return set(range(1 + text[:start].count("\n"), 2 + text[:end].count("\n")))


def test_a_failed_launch_leaves_nothing_behind(defects, arrays):
    for _ in range(3):
        with pytest.raises(EmulatorError):
            defects["deadlock"]((2,), (64,), arrays)
    with pytest.raises(EmulatorError, match="block .* thread"):
        defects["divergent_barrier"]((1,), (1024,), arrays)
    defects["missing_second_barrier"]((3,), (64,), arrays)
    assert np.isfinite(arrays[0].get()).all()
