"""Launch of the prepare_images kernel."""

import numpy as np

from minigrad.kernels.prepare_images import check_forward
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_source = Source("prepare_images/cuda.cu", "prepare_images", types=("float32",))


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
