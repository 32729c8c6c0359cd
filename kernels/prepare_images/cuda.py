"""Launches of the prepare_images kernels."""

import numpy as np

from minigrad.kernels.prepare_images import (
    PRECISION_BITS,
    check_forward,
    check_forward_enlarged,
)
from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_source = Source(
    "prepare_images/cuda.cu",
    *("prepare_images", "prepare_images_enlarged"),
    types=("float32", *bfloat16.TYPES),
    constants={"PRECISION_BITS": PRECISION_BITS},
)


def forward(images, flips, color_shift, mean, scale, *, output):
    check_forward(images, flips, color_shift, mean, scale, output)
    N, H, W, _ = images.shape
    _source.launch(
        "prepare_images",
        output.dtype,
        device.blocks(N * H, 1),
        *(images, flips, color_shift, mean, np.bool_(mean.ndim == 3), scale),
        *(output, np.int64(N * H), H, W),
    )


def forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, *, output):
    check_forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, output)
    N, H, W, _ = output.shape
    _source.launch(
        "prepare_images_enlarged",
        output.dtype,
        device.blocks(N * H, 1),
        *(images, images.shape[1], places, first, weights),
        *(flips, color_shift, mean, np.bool_(mean.ndim == 3), scale),
        *(output, np.int64(N * H), H, W),
    )
