"""The CPU kernel against the reference, and both against values worked out by hand."""

import numpy as np
import pytest

from alexnet.data.resizing import central_square
from minigrad.kernels.prepare_images import taps
from tests.kernels.on_device import BACKENDS, Kernels


def make_inputs(count, size, mean_image, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "images": rng.integers(0, 256, (count, *size, 3), np.uint8),
        "flips": np.arange(count) % 2 == 1,
        "color_shift": rng.normal(0, 20, (count, 3)).astype(np.float32),
        "mean": rng.uniform(80, 160, (3, *size) if mean_image else 3).astype(np.float32),
        "scale": np.array([0.37, 0.21, -0.3], np.float32),
    }


def run(backend, inputs):
    count, height, width, _ = inputs["images"].shape
    output = np.full((count, 3, height, width), np.nan, np.float32)
    Kernels(backend).prepare_images.forward(**inputs, output=output)
    return output


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("mean_image", [False, True])
@pytest.mark.parametrize(
    "count, size", [(1, (1, 1)), (2, (1, 2)), (3, (7, 15)), (5, (16, 17)), (4, (32, 33))]
)
def test_equals_reference(backend, count, size, mean_image):
    inputs = make_inputs(count, size, mean_image)
    expected = run("reference", inputs)
    np.testing.assert_allclose(run(backend, inputs), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mean_image", [False, True])
def test_equals_array_arithmetic(backend, mean_image):
    inputs = make_inputs(4, (5, 7), mean_image)
    mean = inputs["mean"] if mean_image else inputs["mean"][:, None, None]
    for n, output in enumerate(run(backend, inputs)):
        crop = inputs["images"][n]
        if inputs["flips"][n]:
            crop = crop[:, ::-1]
        scale = inputs["scale"][:, None, None]
        shifted = crop.transpose(2, 0, 1) + inputs["color_shift"][n][:, None, None]
        np.testing.assert_allclose(output, (shifted - mean) * scale, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_mirrors_the_crop_but_not_the_mean(backend):
    images = np.repeat(np.arange(1, 4, dtype=np.uint8).reshape(1, 1, 3, 1), 3, axis=3)
    output = np.empty((1, 3, 1, 3), np.float32)
    Kernels(backend).prepare_images.forward(
        images,
        np.array([True]),
        np.array([[0, 10, 0]], np.float32),
        np.tile(np.array([0, 0, 1], np.float32), (3, 1, 1)),
        np.array([2, 2, 3], np.float32),
        output=output,
    )
    assert output[0, :, 0].tolist() == [[6, 4, 0], [26, 24, 20], [9, 6, 0]]


def small_images(count, side, size, crop, mean_image, seed=0):
    """Arguments for crops, (height, width) each, of images that are enlarged to `size`."""
    rng = np.random.default_rng(seed)
    inputs = make_inputs(count, crop, mean_image, seed)
    inputs["images"] = rng.integers(0, 256, (count, side, side, 3), np.uint8)
    first, weights = taps(side, size)
    # The corners of the enlarged image are among the crops.
    last = np.array([size - crop[0], size - crop[1]])
    places = np.minimum(rng.integers(0, last + 1, (count, 2)), last)
    places[0], places[-1] = 0, last
    return {
        **inputs,
        "places": places.astype(np.int32),
        "first": first,
        "weights": weights,
    }


def run_enlarged(backend, inputs, crop):
    output = np.full((len(inputs["images"]), 3, *crop), np.nan, np.float32)
    Kernels(backend).prepare_images.forward_enlarged(**inputs, output=output)
    return output


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mean_image", [False, True])
@pytest.mark.parametrize(
    "side, size, crop",
    [(1, 2, (2, 1)), (2, 9, (3, 9)), (5, 6, (4, 5)), (7, 31, (17, 16)), (8, 16, (16, 16))],
)
def test_enlarged_crops_are_those_of_pillow(backend, side, size, crop, mean_image):
    """Bit for bit: the same input as of crops that Pillow enlarged."""
    inputs = small_images(4, side, size, crop, mean_image)
    enlarged = run_enlarged(backend, inputs, crop)
    places = inputs.pop("places")
    del inputs["first"], inputs["weights"]
    inputs["images"] = np.stack(
        [
            central_square(image, size)[top : top + crop[0], left : left + crop[1]]
            for image, (top, left) in zip(inputs["images"], places)
        ]
    )
    assert np.array_equal(enlarged, run(backend, inputs))


def test_every_size_is_enlarged_as_by_pillow():
    rng = np.random.default_rng(0)
    for side in (*range(1, 41), 64, 100, 131):
        for size in (side + 1, 2 * side - 1, 3 * side, 130, 256):
            if size <= side:
                continue
            image = rng.integers(0, 256, (1, side, side, 3), np.uint8)
            inputs = small_images(1, side, size, (size, size), mean_image=False)
            inputs |= {"images": image, "color_shift": np.zeros((1, 3), np.float32)}
            inputs |= {"mean": np.zeros(3, np.float32), "scale": np.ones(3, np.float32)}
            output = run_enlarged("cpu", inputs, (size, size))[0].transpose(1, 2, 0)
            assert np.array_equal(output, central_square(image[0], size)), (side, size)


def test_is_the_same_on_any_number_of_threads():
    numba = pytest.importorskip("numba")
    inputs = make_inputs(6, (33, 31), mean_image=False)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = run("cpu", inputs)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(alone, run("cpu", inputs))
