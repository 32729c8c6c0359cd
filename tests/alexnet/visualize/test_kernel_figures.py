"""Kernels as pictures: colors, contrast, order."""

import io

import numpy as np
import pytest
from PIL import Image

from alexnet.visualize.kernel_figures import (
    animation,
    epochs_figure,
    evenly,
    kernels_figure,
    patches_figure,
    pictures,
    slices_figure,
)
from alexnet.visualize.mosaic import mosaic


def random_kernels(count=32, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 11, 11)).astype(np.float32)


def images_of(figure):
    return [axes.images[0].get_array() for axes in figure.axes]


def test_colors():
    """Positive weights for red only: from gray to red; nothing: gray."""
    kernels = np.zeros((3, 3, 2, 2))
    kernels[0, 0, 0, 1] = 4
    kernels[1, :, 1, 0] = -2, 1, 2
    colors = pictures(kernels, "filter", columns=1)
    assert colors.shape == (3, 2, 2, 3)
    assert colors[0, 0, 1].tolist() == [1, 0.5, 0.5]
    assert colors[1, 1, 0].tolist() == [0, 0.75, 1]
    assert (colors[2] == 0.5).all()


def test_contrast():
    kernels = np.ones((4, 3, 1, 1)) * np.array([1, 2, 4, 8]).reshape(4, 1, 1, 1)

    def contrast(normalize, kernels=kernels):
        return (2 * pictures(kernels, normalize, columns=2)[..., 0, 0, 0] - 1).tolist()

    assert contrast("filter") == [1, 1, 1, 1]
    assert contrast("column") == [0.5, 1, 0.5, 1]
    assert contrast("joint") == [0.125, 0.25, 0.5, 1]
    epochs = np.stack([kernels, 2 * kernels])
    assert contrast("filter", epochs) == [[1] * 4] * 2
    assert contrast("column", epochs) == [[0.25, 0.5, 0.25, 0.5], [0.5, 1, 0.5, 1]]
    assert contrast("joint", epochs)[0] == [0.0625, 0.125, 0.25, 0.5]


def test_mosaic_is_read_like_text():
    tiles = np.arange(5).reshape(5, 1, 1, 1) / 10 * np.ones((1, 2, 2, 3))
    whole = mosaic(tiles, columns=3, background=1.0)
    assert whole.shape == (5, 8, 3)
    assert whole[0, ::3, 0].tolist() == [0, 0.1, 0.2]
    assert whole[3, ::3, 0].tolist() == [0.3, 0.4, 1]
    assert (whole[2] == 1).all()
    assert (whole[:, 2] == 1).all()


def test_a_block_for_each_column():
    kernels = random_kernels()
    blocks = images_of(kernels_figure(kernels, 2, "conv1"))
    colors = pictures(kernels, "filter", 2)
    assert len(blocks) == 2
    assert np.array_equal(blocks[0], mosaic(colors[:16], 16, background=1.0))
    assert np.array_equal(blocks[1], mosaic(colors[16:], 16, background=1.0))
    figure = kernels_figure(kernels, 2, "conv1")
    assert [axes.get_ylabel() for axes in figure.axes] == ["column 1", "column 2"]
    assert len(kernels_figure(kernels, 1, "conv1").axes) == 1


def test_epochs_from_the_first_to_the_last():
    snapshots = {epoch: random_kernels(seed=epoch) for epoch in range(30)}
    figure = epochs_figure(snapshots, 2, "conv1")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "before training"
    assert titles[-1] == "epoch 29"
    assert len(titles) == 8
    assert np.array_equal(images_of(figure)[-1][:11, :11], pictures(snapshots[29], "filter", 2)[0])
    assert len(epochs_figure({3: snapshots[3]}, 1, "conv1").axes) == 1


def test_animation():
    snapshots = {epoch: random_kernels(seed=epoch) for epoch in range(3)}
    with Image.open(io.BytesIO(animation(snapshots, 2, "conv1"))) as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        frames = []
        for number in range(3):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    assert all(np.abs(one - two).mean() > 5 for one, two in zip(frames, frames[1:]))


def test_slices_are_the_strongest_with_their_inputs():
    weights = np.zeros((4, 3, 2, 2))  # two groups of 3 inputs
    weights[3, 1] = 5
    weights[3, 2] = -9
    figure = slices_figure(weights, 2, [0, 3], "conv2")
    names = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert names == [["0", "1", "2"], ["5", "4", "3"]]
    assert [axes.get_ylabel() for axes in figure.axes] == ["channel 0", "channel 3"]
    red, green, blue = images_of(figure)[1][0, 0]
    assert red > green > blue  # negative: orange


def test_patches_keep_their_colors():
    patches = np.zeros((2, 3, 4, 4, 3), np.uint8)
    patches[1, 2] = 255, 128, 0
    image = images_of(patches_figure(patches, ["a", "b"], "conv5"))[1]
    assert np.allclose(image[0, -1], [1, 128 / 255, 0])


@pytest.mark.parametrize(
    ("length", "count", "expected"), [(3, 8, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 5, [0])]
)
def test_evenly(length, count, expected):
    assert evenly(list(range(length)), count) == expected
