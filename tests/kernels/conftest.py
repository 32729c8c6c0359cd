"""What the kernel tests share: both float types, and the comparison of two backends."""

from collections.abc import Callable, Iterator

import numba
import numpy as np
import pytest

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    return np.dtype(request.param)


@pytest.fixture(autouse=True)
def device(cuda):
    """The backend "cuda" is there."""


@pytest.fixture
def assert_close() -> Callable[[np.ndarray, np.ndarray], None]:
    """Equal up to rounding of the float type, measured against the largest element."""

    def check(actual: np.ndarray, expected: np.ndarray) -> None:
        assert actual.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max()))
        tolerance = TOLERANCE[actual.dtype.name]
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)

    return check


@pytest.fixture
def same_on_any_number_of_threads() -> Iterator[Callable[[Callable[[], list[np.ndarray]]], None]]:
    """Runs a function on one thread and on all, and compares what it returns bit for bit."""
    available = numba.get_num_threads()
    if available < 2:
        pytest.skip("needs two threads: this process may use only one")

    def check(run: Callable[[], list[np.ndarray]]) -> None:
        numba.set_num_threads(1)
        alone = run()
        numba.set_num_threads(available)
        for one, many in zip(alone, run(), strict=True):
            np.testing.assert_array_equal(one, many)

    yield check
    numba.set_num_threads(available)


@pytest.fixture
def garbage() -> Callable[..., np.ndarray]:
    """Makes output arrays without a usable value: an element never written is seen."""

    def make(shape: int | tuple[int, ...], dtype: object) -> np.ndarray:
        array = np.empty(shape, dtype)
        array.fill(np.nan if array.dtype.kind == "f" else -(2**30))
        return array

    return make
