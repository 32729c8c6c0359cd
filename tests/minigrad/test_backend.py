"""The seam to a device."""

import numba
import numpy as np
import pytest

from minigrad import backend


def test_cpu_is_numpy():
    cpu = backend.get("cpu")
    array = np.ones(3)
    assert cpu.xp is np and cpu.asarray(array) is array and cpu.asnumpy(array) is array
    assert repr(cpu) == "Backend('cpu')"
    assert backend.backend_of(array) is cpu


def test_unknown_backend():
    with pytest.raises(ValueError, match="unknown backend 'gpu': expected 'cpu' or 'cuda'"):
        backend.get("gpu")
    with pytest.raises(TypeError, match="expected a NumPy or CuPy array, got list"):
        backend.backend_of([1])


def test_a_contiguous_array_of_the_gpu_stays_what_it_is(cuda, monkeypatch):
    array = cuda.asarray(np.arange(6.0).reshape(2, 3))
    copy = cuda.contiguous(array.T)
    assert copy.flags.c_contiguous and np.array_equal(cuda.asnumpy(copy), cuda.asnumpy(array).T)
    monkeypatch.setattr(cuda.xp, "asarray", None)  # slow, for something that happens so often
    assert cuda.contiguous(array) is array


@pytest.mark.parametrize("shape", [(), (1,), (1000,), (37, 41), (1 << 12, 1 << 8)])
def test_fingerprint_sees_an_array_that_was_overwritten(shape, rng):
    fingerprint = backend.get("cpu").fingerprint
    array = np.asarray(rng.standard_normal(shape))
    before = fingerprint(array)
    assert fingerprint(array.copy()) == before
    array *= 1.0001
    assert fingerprint(array) != before


def test_fingerprint_looks_at_many_channels():
    """Of one alone no change could be seen, as where ReLU has made it zero."""
    array = np.zeros((512, 64), np.float32)
    before = backend.get("cpu").fingerprint(array)
    array[:, 1:] = 1
    assert backend.get("cpu").fingerprint(array) != before


@pytest.mark.parametrize("threads, text", [(1, "cpu (1 thread)"), (8, "cpu (8 threads)")])
def test_description(monkeypatch, threads, text):
    monkeypatch.setattr(numba, "get_num_threads", lambda: threads)
    assert backend.get("cpu").describe() == text
