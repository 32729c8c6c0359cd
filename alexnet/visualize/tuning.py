"""What conv1's kernels are tuned to: orientation, spatial frequency, color.

A grating is a luminance wave, the same in red, green and blue. Its orientation is that of its
bars, in degrees anticlockwise from horizontal as seen in the image: 0 for horizontal bars, 45 for
bars like "/", 90 for vertical ones. Its frequency is in cycles per pixel of the network's input.
"""

from typing import NamedTuple

import numpy as np

from minigrad import Tensor, nn, no_grad

ORIENTATIONS = np.arange(0, 180, 5.0)
# To half a cycle per pixel: of faster gratings, pixels cannot tell which they are.
FREQUENCIES = np.arange(1, 26) / 50
PHASES = 8
# A kernel that answers the best grating a thousand times weaker than the strongest kernel does is
# dead, or its three colors cancel: its tuning is that of rounding errors.
NO_RESPONSE = 1e-3


class Tuning(NamedTuple):
    """The tuning of C kernels; NaN for a kernel that does not respond.

    Attributes:
        response: (C, F, O), see `fourier_response`.
        circular_variance: (C,), over the orientations at the best frequency.
        orientation: (C,), preferred, in degrees from 0 to below 180.
        frequency: (C,), best, in cycles per pixel.
        color_selectivity: (C,), see `color_selectivity`.
    """

    response: np.ndarray
    circular_variance: np.ndarray
    orientation: np.ndarray
    frequency: np.ndarray
    color_selectivity: np.ndarray


def tuning(kernels: np.ndarray, response: np.ndarray | None = None) -> Tuning:
    """The tuning of kernels (C, 3, KH, KW).

    Args:
        response: measured one (C, F, O) instead of the exact one, see `grating_response`.
    """
    if response is None:
        response = fourier_response(kernels)
    peak = response.max(axis=(1, 2))
    silent = peak <= NO_RESPONSE * peak.max(initial=0.0)
    kernel = np.arange(len(kernels))
    best, preferred = np.unravel_index(
        response.reshape(len(kernels), -1).argmax(axis=1), response.shape[1:]
    )
    variance = circular_variance(response[kernel, best], ORIENTATIONS)
    return Tuning(
        response,
        np.where(silent, np.nan, variance),
        np.where(silent, np.nan, ORIENTATIONS[preferred]),
        np.where(silent, np.nan, FREQUENCIES[best]),
        color_selectivity(kernels),
    )


def fourier_response(
    kernels: np.ndarray,
    frequencies: np.ndarray = FREQUENCIES,
    orientations: np.ndarray = ORIENTATIONS,
) -> np.ndarray:
    """Responses (C, F, O) of kernels (C, 3, KH, KW) to gratings of amplitude 1 in their best phase.

    A kernel is linear, so its response to a drifting grating is a wave; the wave's amplitude is
    |sum over x, y of k(x, y) exp(-2 pi i f (x sin theta + y cos theta))| with the colors of the
    kernel summed, y downwards: the kernel's Fourier amplitude.
    """
    waves = np.exp(-2j * np.pi * _cycles(frequencies, orientations, kernels.shape[2:]))
    luminance = kernels.sum(axis=1, dtype=np.float64)
    return np.abs(np.tensordot(luminance, waves, axes=((1, 2), (2, 3))))


def grating_response(
    conv1: nn.Conv2d,
    frequencies: np.ndarray = FREQUENCIES,
    orientations: np.ndarray = ORIENTATIONS,
    phases: int = PHASES,
) -> np.ndarray:
    """As `fourier_response`, but measured: gratings are drawn and shown to the layer.

    A grating that drifts by one cycle is shown in evenly spaced phases; the response is the
    amplitude of the wave with the same period in what the layer says to them (the first harmonic,
    as it is measured of simple cells). For a linear layer, 3 phases would do.
    """
    size, stride, padding = conv1.kernel_size[0], conv1.stride, conv1.padding
    image_size = 2 * size + stride
    # An output in the middle, whose receptive field has no borders in it.
    middle = ((image_size + 2 * padding - size) // stride + 1) // 2
    shifts = np.arange(phases) / phases
    response = np.empty((conv1.out_channels, len(frequencies), len(orientations)))
    for i, frequency in enumerate(frequencies):
        cycles = _cycles(np.array([frequency]), orientations, (image_size, image_size))[0]
        waves = np.cos(2 * np.pi * (cycles[:, np.newaxis] + shifts[:, np.newaxis, np.newaxis]))
        gray = waves.reshape(-1, 1, image_size, image_size).astype(np.float32)
        with no_grad():
            output = conv1(Tensor(np.repeat(gray, 3, axis=1))).numpy()[:, :, middle, middle]
        phase_outputs = output.reshape(len(orientations), phases, -1)
        harmonic = np.tensordot(np.exp(-2j * np.pi * shifts), phase_outputs, axes=(0, 1))
        response[:, i] = 2 / phases * np.abs(harmonic).T
    return response


def _cycles(frequencies: np.ndarray, orientations: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How many cycles of a grating lie between pixel (0, 0) and each other: (F, O, H, W)."""
    angle = np.radians(orientations)[:, np.newaxis, np.newaxis]
    y, x = np.indices(size)
    # The wave runs across its bars, which lie along (cos theta, -sin theta), y downwards.
    distance = x * np.sin(angle) + y * np.cos(angle)
    return np.asarray(frequencies)[:, np.newaxis, np.newaxis, np.newaxis] * distance


def circular_variance(response: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """1 - |sum R exp(2 i theta)| / sum R, of (..., O) (Ringach et al. 2002); NaN if all R are 0.

    0 where only one orientation gets a response, 1 where all get the same.

    Args:
        response: at least 0.
        orientations: in degrees, evenly spaced over 180.
    """
    total = response.sum(axis=-1)
    vector = np.abs((response * np.exp(2j * np.radians(orientations))).sum(axis=-1))
    return np.where(total > 0, 1 - vector / np.where(total > 0, total, 1), np.nan)


def color_selectivity(kernels: np.ndarray) -> np.ndarray:
    """Share (C,) of the energy of kernels (C, 3, KH, KW) that is color, not luminance; NaN if 0.

    At each pixel a kernel's weights for red, green and blue are a vector; its part along
    (1, 1, 1) answers to luminance, the rest to color only. 0 for a kernel that sees gray levels
    only, 1 for one that no gray image excites, 2/3 on average for random ones. A kernel of less
    than a thousandth of the largest one's norm is dead.
    """
    kernels = kernels.astype(np.float64)
    energy = np.square(kernels).sum(axis=(1, 2, 3))
    luminance = 3 * np.square(kernels.mean(axis=1)).sum(axis=(1, 2))
    alive = energy > NO_RESPONSE**2 * energy.max(initial=0.0)
    return np.where(alive, 1 - luminance / np.where(alive, energy, 1), np.nan)


def mean_circular_variance(kernels: np.ndarray) -> float:
    """Over the kernels that respond; NaN if none does."""
    variance = tuning(kernels).circular_variance
    responding = ~np.isnan(variance)
    return float(variance[responding].mean()) if responding.any() else np.nan
