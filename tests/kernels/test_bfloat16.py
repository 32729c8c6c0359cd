"""Rounding to bfloat16, for files and for factors of products."""

import subprocess
import sys

import numpy as np
import pytest

from minigrad.kernels.shared import bfloat16 as bf16

# 1 + n / 256: bfloat16 has 7 bits behind the point, and 1 + 1 / 256 lies halfway.
ONES_AND_MORE = 1 + np.arange(8, dtype=np.float32) / 256
NEAREST = 1 + np.array([0, 0, 1, 2, 2, 2, 3, 4], np.float32) / 128
LARGEST = np.float32(2.0**128 - 2.0**120)
SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal


def of_bits(*bits):
    return np.array(bits, np.uint32).view(np.float32)


def test_the_nearest_or_the_even_one():
    for sign in (1, -1):
        for function in (bf16.round_to_bfloat16, lambda x: bf16.from_bits(bf16.to_bits(x))):
            rounded = function(sign * ONES_AND_MORE)
            assert rounded.dtype == np.float32
            assert rounded.tobytes() == (sign * NEAREST).tobytes()


def test_infinity_nan_and_zero():
    array = np.array([0.0, -0.0, np.inf, -np.inf, LARGEST, 3.4e38, -3.4e38], np.float32)
    expected = np.array([0.0, -0.0, np.inf, -np.inf, LARGEST, np.inf, -np.inf], np.float32)
    assert bf16.round_to_bfloat16(array).tobytes() == expected.tobytes()
    # The lower half of the first two alone says that they are NaN; a carry would make zero of the
    # last.
    nans = of_bits(0x7F800001, 0xFF800001, 0x7FC00000, 0xFFFFFFFF, 0x7FFFFFFF)
    assert np.isnan(bf16.round_to_bfloat16(nans)).all()


def test_denormal_numbers_become_zero_only_in_factors():
    below = np.nextafter(SMALLEST_NORMAL, np.float32(0))
    array = np.array([1e-45, -1e-45, below, -below, SMALLEST_NORMAL], np.float32)
    expected = np.array([0.0, -0.0, 0.0, -0.0, SMALLEST_NORMAL], np.float32)
    assert bf16.round_to_bfloat16(array).tobytes() == expected.tobytes()
    assert bf16.to_bits(array).tolist() == [0, 0x8000, 0x80, 0x8080, 0x80]


def test_no_number_changes_by_more_than_the_unit_roundoff(rng):
    array = np.float32(rng.standard_normal(20_000) * 10.0 ** rng.integers(-30, 30, 20_000))
    error = np.abs(np.float64(bf16.round_to_bfloat16(array)) - array) / np.abs(array)
    # Rounding up from 1 + 2**-8 reaches it but for the 1 in the denominator.
    assert 0.99 * bf16.UNIT_ROUNDOFF < error.max() <= bf16.UNIT_ROUNDOFF


def test_the_compiled_form_gives_the_same_bits(rng):
    special = of_bits(0, 1, 0x807FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0xFF800001, 0xFFFFFFFF)
    array = np.concatenate([special, of_bits(*rng.integers(0, 2**32, 40_000, np.uint32))])
    for part in (array, array[:40_000].reshape(100, 4, 100), array[:0].reshape(0, 3)):
        copy = bf16.rounded_copy(part)
        assert copy.shape == part.shape
        assert copy.tobytes() == bf16.round_to_bfloat16(part).tobytes()


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (3, 2)])
def test_shapes_and_layouts(shape, rng):
    array = rng.standard_normal(shape).astype(np.float32)
    for view in (array, array.T, array[..., ::-1] if shape else array):
        rounded = bf16.round_to_bfloat16(view)
        assert isinstance(rounded, np.ndarray) and rounded.shape == view.shape
        assert rounded.dtype == np.float32 and bf16.to_bits(view).dtype == np.uint16
        expected = [bf16.round_to_bfloat16(np.array([x])).item() for x in view.ravel()]
        assert rounded.ravel().tolist() == expected


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", ">f4"])
def test_only_float32_is_rounded(dtype):
    for function in (bf16.to_bits, bf16.round_to_bfloat16):
        with pytest.raises(TypeError, match="only float32 arrays are rounded to bfloat16, got "):
            function(np.zeros(2, dtype))


def test_emulation_is_asked_for_by_the_environment(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    monkeypatch.setenv("MINIGRAD_BF16_EMULATE", "1")
    script = (
        "from minigrad.kernels.shared import bfloat16 as bf16\n"
        "print(bf16.HAS_INSTRUCTION, bf16.EMULATED, bf16.SUPPORTED)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == "False True True", result.stderr
