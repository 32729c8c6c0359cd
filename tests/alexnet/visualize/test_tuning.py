"""Tuning of kernels, against what is known of them."""

import numpy as np
import pytest
from scipy.special import iv

from alexnet.visualize.tuning import (
    FREQUENCIES,
    ORIENTATIONS,
    circular_variance,
    color_selectivity,
    fourier_response,
    grating_response,
    mean_circular_variance,
    tuning,
)
from minigrad import manual_seed, nn

pytestmark = pytest.mark.usefixtures("one_thread")


def gabor(orientation, frequency, sigma, size):
    """A gray Gabor kernel (3, size, size) whose bars have an orientation in degrees."""
    y, x = np.indices((size, size)) - size // 2
    angle = np.radians(orientation)
    # Anticlockwise as seen: y counts downwards.
    across = x * np.sin(angle) + y * np.cos(angle)
    envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.repeat((envelope * np.cos(2 * np.pi * frequency * across))[np.newaxis], 3, axis=0)


@pytest.mark.parametrize(("frequency", "sigma"), [(0.04, 2.0), (0.1, 3.0), (0.16, 8.0)])
def test_circular_variance_of_gabor_kernels(frequency, sigma):
    """On the circle of its frequency the response is cosh(K cos(theta - theta_0)) times a
    constant, with K = (2 pi f sigma)^2, so the circular variance is 1 - I_2(K) / I_0(K)."""
    kernels = np.stack([gabor(angle, frequency, sigma, size=81) for angle in (0, 35, 90, 122.5)])
    response = fourier_response(kernels, np.array([frequency]))[:, 0]
    K = (2 * np.pi * frequency * sigma) ** 2
    expected = 1 - iv(2, K) / iv(0, K)
    np.testing.assert_allclose(circular_variance(response, ORIENTATIONS), expected, atol=1e-4)


@pytest.mark.parametrize("orientation", [0, 45, 90, 135, 170])
def test_best_orientation_and_frequency(orientation):
    result = tuning(gabor(orientation, 0.2, 6.0, size=41)[np.newaxis])
    assert result.orientation == [orientation]
    assert result.frequency == pytest.approx([0.2])


def test_orientation_is_that_of_the_bars_as_seen():
    """Anticlockwise: a bar from the lower left to the upper right has 45 degrees."""
    size = 11
    bars = {0: np.zeros((size, size)), 90: np.zeros((size, size)), 45: np.fliplr(np.eye(size))}
    bars[0][size // 2] = bars[90][:, size // 2] = 1
    for angle, bar in bars.items():
        balanced = np.repeat((bar - bar.mean())[np.newaxis, np.newaxis], 3, axis=1)
        assert tuning(balanced).orientation == [angle]


def test_no_orientation_and_a_single_one():
    point = np.zeros((1, 3, 11, 11))
    point[:, :, 5, 5] = 1
    assert tuning(point).circular_variance == pytest.approx([1])
    flat = circular_variance(np.ones(12), np.arange(0, 180, 15))
    assert flat == pytest.approx(1)
    assert circular_variance(np.eye(12), np.arange(0, 180, 15)) == pytest.approx([0] * 12)


def test_dead_kernels_have_no_tuning():
    kernels = np.stack([gabor(30, 0.2, 3.0, 11)] * 4)
    kernels[1] = 0
    kernels[2] *= 1e-4
    kernels[3] *= np.array([1.0, -0.75, -0.25])[:, np.newaxis, np.newaxis]  # color only
    result = tuning(kernels)
    for values in (result.circular_variance, result.orientation, result.frequency):
        assert np.isnan(values).tolist() == [False, True, True, True]
    assert mean_circular_variance(kernels) == result.circular_variance[0]
    assert np.isnan(mean_circular_variance(np.zeros((2, 3, 11, 11))))
    assert np.isnan(tuning(np.zeros((2, 3, 11, 11))).circular_variance).all()


def test_color_selectivity():
    gray = gabor(30, 0.2, 3.0, 11)
    opponent = gray * np.array([1.0, -1.0, 0.0])[:, np.newaxis, np.newaxis]
    red = gray * np.array([1.0, 0.0, 0.0])[:, np.newaxis, np.newaxis]
    kernels = np.stack([gray, opponent, red, np.zeros_like(gray)])
    np.testing.assert_allclose(color_selectivity(kernels), [0, 1, 2 / 3, np.nan], atol=1e-12)
    random = np.random.default_rng(0).standard_normal((200, 3, 11, 11))
    assert color_selectivity(random).mean() == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize(("stride", "padding"), [(4, 0), (4, 2)])
def test_gratings_agree_with_fourier(stride, padding):
    """A drawn grating excites the layer as much as the Fourier amplitude says."""
    manual_seed(3)
    conv1 = nn.Conv2d(3, 8, 11, stride, padding)
    frequencies, orientations = FREQUENCIES[3::7], ORIENTATIONS[::7]
    exact = fourier_response(conv1.weight.numpy(), frequencies, orientations)
    measured = grating_response(conv1, frequencies, orientations)
    np.testing.assert_allclose(measured, exact, rtol=1e-4, atol=1e-5 * exact.max())
