"""Dropout: Philox against its published answers, and the properties of the mask."""

import numpy as np
import pytest

from minigrad.kernels.dropout import philox
from tests.kernels.on_device import BACKENDS, Kernels

# Counter, key and answer of Philox4x32-10 from the test vectors of Random123 (kat_vectors).
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text):
    return tuple(int(word, 16) for word in text.split())


def apply(backend, input, p, key, garbage, first=0):
    output = garbage(input.shape, input.dtype)
    Kernels(backend).dropout.forward(input, p, key, first, output=output)
    return output


@pytest.mark.parametrize("counter, key, answer", KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, answer):
    counter, key, answer = words(counter), words(key), words(answer)
    assert philox._philox(counter, key) == answer
    typed = (np.uint32(word) for word in (*counter, *key))
    assert Kernels("cpu").dropout._philox(*typed) == answer


@pytest.mark.parametrize("backend", BACKENDS)
def test_threshold_is_exact(backend, garbage):
    # The first four random words of key (0, 0) are those of the first known answer: at
    # p = word / 2^32 the element is the last one kept, at the next p it is dropped.
    ones = np.ones(4)
    for i, word in enumerate(words(KNOWN_ANSWERS[0][2])):
        assert apply(backend, ones, word / 2**32, (0, 0), garbage)[i] > 0
        assert apply(backend, ones, (word + 1) / 2**32, (0, 0), garbage)[i] == 0


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("shape", [1, 2, 3, 7, 15, 17, (3, 33), (5, 1 << 12), 3 * (1 << 12) + 1])
@pytest.mark.parametrize("key", [(0, 0), (3, 1), (2**64 - 1, 2**63 + 5), (5 << 32, 7 << 32)])
def test_against_reference(backend, shape, key, dtype, rng, garbage):
    input = rng.standard_normal(shape).astype(dtype)
    np.testing.assert_array_equal(
        apply(backend, input, 0.3, key, garbage), apply("reference", input, 0.3, key, garbage)
    )


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_keep_rate_and_scale(p, garbage):
    output = apply("cpu", np.ones(1_000_000, np.float32), p, (7, 0), garbage)
    kept = output > 0
    assert abs(kept.mean() - (1 - p)) <= 5 * np.sqrt(p * (1 - p) / kept.size)
    assert set(np.unique(output)) <= {0, np.float32(1 / (1 - p))}


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_has_the_mask_of_forward(backend, rng, garbage):
    grad_output, key = rng.standard_normal(5000), (11, 4)
    output = apply(backend, np.ones(5000), 0.4, key, garbage)
    grad_input = garbage(5000, np.float64)
    Kernels(backend).dropout.backward(grad_output, 0.4, key, 0, grad_input=grad_input)
    np.testing.assert_array_equal(grad_input, grad_output * output)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", [1, 3, 5, 10, 1 << 12])
def test_rows_have_the_mask_of_the_whole_array(backend, row, dtype, rng, garbage):
    """Forward and backward, wherever the rows begin."""
    whole, key = rng.standard_normal((5, row)).astype(dtype), (3, 8)
    output = apply(backend, whole, 0.4, key, garbage)
    for begin, end in ((0, 2), (1, 2), (2, 5), (3, 5), (5, 5)):
        rows, first = whole[begin:end], begin * row
        part = apply(backend, rows, 0.4, key, garbage, first)
        np.testing.assert_array_equal(part, output[begin:end])
        gradient = garbage(rows.shape, dtype)
        Kernels(backend).dropout.backward(rows, 0.4, key, first, grad_input=gradient)
        np.testing.assert_array_equal(gradient, output[begin:end])


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("first", [1, 2, 3, 4095, 2**34 - 6, 2**34 - 1, 2**60 + 1])
def test_first_element_against_reference(backend, first, rng, garbage):
    """Beyond 2^34 elements, a counter has more than 32 bits."""
    input = rng.standard_normal((1 << 12) + 9)
    np.testing.assert_array_equal(
        *(apply(name, input, 0.3, (1, 2), garbage, first) for name in (backend, "reference"))
    )


def test_every_part_of_the_key_changes_the_mask(garbage):
    ones = np.ones(4096, np.float32)
    keys = [(1, 0), (2, 0), (1 + 2**32, 0), (1, 1), (1, 2**32), (0, 1)]
    masks = [apply("cpu", ones, 0.5, key, garbage) > 0 for key in keys]
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            # Independent fair masks agree in half of the elements: 2048, standard deviation 32.
            assert abs((mask == other).sum() - 2048) < 5 * 32


def test_dropped_nan_is_zero(garbage):
    kept = apply("cpu", np.ones(1000), 0.5, (0, 0), garbage) > 0
    output = apply("cpu", np.full(1000, np.nan), 0.5, (0, 0), garbage)
    np.testing.assert_array_equal(np.isnan(output), kept)


def test_threads(rng, garbage, same_on_any_number_of_threads):
    input = rng.standard_normal(100_003, np.float32)
    same_on_any_number_of_threads(
        lambda: [apply("cpu", input, 0.5, (1, 2), garbage, first) for first in (0, 4099)]
    )
