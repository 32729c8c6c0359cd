"""Keys of random numbers, and the masks of a batch in parts."""

import numpy as np
import pytest

import minigrad as mg
from alexnet import AlexNet
from minigrad import functional as F
from minigrad.random import random_keys

PARTS = ((0, 2), (2, 3), (3, 3), (3, 7))  # of seven rows


def process(function, input):
    """The outputs of `function` for an array, and the gradient of the array."""
    leaf = mg.Tensor(input, requires_grad=True)
    outputs = function(leaf)
    for output in outputs:
        output.backward(np.ones_like(output.data))
    return [output.data for output in outputs] + [leaf.grad.numpy()]


def test_random_keys_count_calls_from_the_seed():
    mg.manual_seed(7)
    assert [random_keys.next(), random_keys.next()] == [(7, 0), (7, 1)]
    mg.manual_seed(2**64 - 1)
    assert random_keys.next() == (2**64 - 1, 0)


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 3), (7, 10), (7, 2, 3), (7, 3, 5, 2)])
def test_a_part_has_the_masks_of_the_whole_batch(shape, rng):
    input = rng.standard_normal(shape)

    def function(x):
        return F.dropout(x, 0.5), F.dropout(F.exp(x), 0.3)

    random_keys.next()
    call = random_keys.call
    whole = process(function, input)
    assert random_keys.call == call + 2
    for begin, end in PARTS:
        with random_keys.part_of_batch(call, begin):
            part = process(function, input[begin:end])
        assert (random_keys.call, random_keys.first_row) == (call + 2, 0)
        for rows, all_rows in zip(part, whole):
            np.testing.assert_array_equal(rows, all_rows[begin:end])
    # What comes after is no part of that batch.
    assert random_keys.next() == (0, call + 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_with_channels_last_have_the_same_masks(dtype, kernels, rng):
    device = "cuda" if kernels == "cuda" else "cpu"
    pixels = rng.uniform(1, 2, (7, 5, 3, 3)).astype(dtype)  # (N, H, W, C)
    images = mg.Tensor(pixels).to(device).permute(0, 3, 1, 2)
    whole = F.dropout(images, 0.5).numpy()
    mg.manual_seed(0)
    in_order = mg.Tensor(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device)
    np.testing.assert_array_equal(F.dropout(in_order, 0.5).numpy(), whole)
    for begin, end in PARTS:
        with random_keys.part_of_batch(0, begin):
            part = F.dropout(images[begin:end], 0.5)
        np.testing.assert_array_equal(part.numpy(), whole[begin:end])


def test_a_number_has_no_rows():
    masks = []
    for first_row in range(9):
        with random_keys.part_of_batch(5, first_row):
            masks.append(F.dropout(mg.tensor(1.0), 0.5).item())
    assert len(set(masks)) == 1


def test_an_error_ends_the_part():
    with pytest.raises(ValueError, match="p must be"), random_keys.part_of_batch(3, 4):
        F.dropout(mg.tensor(1.0), 2.0)
    assert (random_keys.call, random_keys.first_row) == (3, 0)


@pytest.mark.parametrize(
    "call, first_row, error, message",
    [
        (-1, 0, ValueError, r"call must be in \[0, 2\*\*64\), got -1"),
        (2**64, 0, ValueError, r"call must be in \[0, 2\*\*64\), got 18446744073709551616"),
        (0.5, 0, TypeError, "call must be an integer, got 0.5"),
        (0, -1, ValueError, r"first_row must be in \[0, 2\*\*32\), got -1"),
        (0, 2**32, ValueError, r"first_row must be in \[0, 2\*\*32\), got 4294967296"),
        (0, None, TypeError, "first_row must be an integer, got None"),
    ],
)
def test_values_that_no_part_has(call, first_row, error, message):
    before = random_keys.next()
    with pytest.raises(error, match="part_of_batch: " + message):
        with random_keys.part_of_batch(call, first_row):
            pass
    assert random_keys.next() == (0, before[1] + 1)


def test_alexnet_in_parts(rng):
    """Scores, losses and gradients are those of the whole batch, with dropout on."""
    model = AlexNet(num_classes=5, image_size=67, width=0.1).to(np.float64)
    images, labels = rng.standard_normal((7, 3, 67, 67)), np.arange(7) % 5
    call = random_keys.call

    def learn(begin, end):
        scores = model(mg.Tensor(images[begin:end]))
        losses = F.cross_entropy(scores, labels[begin:end], reduction="none")
        losses.sum().backward()
        return scores.numpy(), losses.numpy()

    def gradients():
        found = [parameter.grad.numpy() for parameter in model.parameters()]
        model.zero_grad()
        return found

    expected, expected_gradients = learn(0, 7), gradients()
    for begin, end in PARTS:
        with random_keys.part_of_batch(call, begin):
            for ours, whole in zip(learn(begin, end), expected):
                np.testing.assert_allclose(ours, whole[begin:end], rtol=1e-10, atol=1e-13)
    for ours, whole in zip(gradients(), expected_gradients):
        np.testing.assert_allclose(ours, whole, rtol=1e-10, atol=1e-10 * np.abs(whole).max())
