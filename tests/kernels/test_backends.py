"""The fast kernels against the reference, called as the operations of the table call them."""

import inspect
from pathlib import Path

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad.kernels import reference
from tests import cuda_emulator
from tests.kernels import on_device
from tests.op_cases import CASES, SMALL_CASES

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}
THREADS = numba.config.NUMBA_NUM_THREADS


class CheckedKernels:
    """Kernels each call of which is checked against the reference, itself and the contract.

    Args:
        kernels: take NumPy arrays.
        threads: numbers of threads on which a call must give the same bits.
    """

    def __init__(self, kernels, threads):
        self.calls = 0
        self.kernels, self.reference, self.threads = kernels, reference, threads

    def __getattr__(self, family):
        return _CheckedFamily(self, family)


class _CheckedFamily:
    def __init__(self, kernels, family):
        self.kernels, self.family = kernels, family

    def __getattr__(self, function):
        fast = getattr(getattr(self.kernels.kernels, self.family), function)
        reference = getattr(getattr(self.kernels.reference, self.family), function)

        def checked(*arguments, bfloat16=None, **outputs):
            self.kernels.calls += 1
            options = {} if bfloat16 is None else {"bfloat16": bfloat16}
            name = f"{self.family}.{function}"
            for array in (*arguments, *outputs.values()):
                if isinstance(array, np.ndarray):
                    assert array.flags.c_contiguous, f"{name} gets an array that is not contiguous"
            inputs = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
            expected = {key: poisoned(array) for key, array in outputs.items()}
            reference(*arguments, **expected, **options)
            for run, threads in enumerate(self.kernels.threads):
                numba.set_num_threads(threads)
                results = {key: poisoned(array) for key, array in outputs.items()}
                fast(*arguments, **results, **options)
                for key, result in results.items():
                    assert_close(f"{name}: {key}", result, expected[key])
                    if run > 0:
                        same = np.array_equal(result, outputs[key])
                        assert same, f"{name}: {key} differs from the run before"
                    outputs[key][...] = result
            for before, after in zip(inputs, arguments):
                if isinstance(before, np.ndarray):
                    assert np.array_equal(before, after), f"{name} changes an input"

        return checked


def poisoned(array):
    """An array of the same shape that gives away every element that a kernel leaves out."""
    return np.full_like(array, np.nan if array.dtype.kind == "f" else -(2**30))


def assert_close(name, result, expected):
    if result.dtype.kind != "f":
        assert np.array_equal(result, expected), name
        return
    assert not np.isnan(result).any(), f"{name} is not completely written"
    differs = result != expected  # infinity is equal to itself, and not infinity minus infinity
    difference = np.abs(result[differs] - expected[differs]).max(initial=0)
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=1e-3)
    limit = TOLERANCE[result.dtype] * largest
    assert difference <= limit, f"{name} differs by {difference:.3g} > {limit:.3g}"


@pytest.fixture(params=["cpu", "cuda"])
def checked_kernels(request, cuda, monkeypatch):
    """They take the place of the CPU's: the operations run on NumPy arrays."""
    threads = (1, THREADS, THREADS) if request.param == "cpu" else (THREADS,)
    kernels = CheckedKernels(on_device.for_numpy(request.param), threads)
    # In every order of threads the kernels of the GPU give the same bits.
    monkeypatch.setattr(cuda_emulator.settings, "order", "all")
    monkeypatch.setattr(backend.get("cpu"), "kernels", kernels)
    yield kernels
    numba.set_num_threads(THREADS)


KERNEL_FUNCTIONS = {
    "conv2d",
    "conv2d_relu",
    "cross_entropy",
    "dropout",
    "linear",
    "local_response_norm",
    "local_response_norm_max_pool2d",
    "max_pool2d",
    "avg_pool2d",
    "relu",
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "case",
    [case for case in SMALL_CASES if case.operation in KERNEL_FUNCTIONS],
    ids=lambda case: case.name,
)
def test_kernels_equal_the_reference(case, dtype, checked_kernels, rng):
    inputs = [mg.Tensor(x, requires_grad=True) for x in case.make_inputs(rng, dtype)]
    output = case.function(*inputs)
    if output.requires_grad and not output.is_leaf:
        output.backward(mg.Tensor(np.asarray(rng.standard_normal(output.shape), dtype)))
    assert checked_kernels.calls >= 2 or output is inputs[0] or case.composed


LAYOUTS = {
    "transposed": lambda x: np.array(x, order="F"),
    "every second element": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_memory_layout_of_the_inputs_does_not_matter(case, layout, rng):
    """And neither does that of the output's gradient."""
    arrays = case.make_inputs(rng, np.float64)
    grad_output = rng.standard_normal(case.function(*map(mg.Tensor, arrays)).shape)

    def run(arrange):
        inputs = [mg.Tensor(arrange(x), requires_grad=True) for x in arrays]
        output = case.function(*inputs)
        output.backward(mg.Tensor(arrange(grad_output)))
        return [output.data, *(x.grad.data for x in inputs)]

    for expected, result in zip(run(np.asarray), run(LAYOUTS[layout])):
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_inputs_stay_as_they_are_and_a_zero_gradient_stays_zero(case, rng):
    arrays = case.make_inputs(rng, np.float32)
    inputs = [mg.Tensor(x.copy(), requires_grad=True) for x in arrays]
    output = case.function(*inputs)
    output.backward(mg.Tensor(np.zeros(output.shape, output.dtype)))
    for before, after in zip(arrays, inputs):
        assert np.array_equal(before, after.data)
        assert not after.grad.data.any()
        assert after.grad.dtype == np.float32


def test_the_table_reaches_every_kernel_of_an_operation():
    """Those of the optimizers, the input pipeline and im2col have tests of their own."""
    others = {"bias", "im2col", "adam", "lerp", "sgd", "vector_norm", "prepare_images"}
    families = others | KERNEL_FUNCTIONS
    families -= {"conv2d_relu"}  # of conv2d
    folder = Path(inspect.getfile(reference)).parent
    assert families == {path.parent.name for path in folder.glob("*/reference.py")}
