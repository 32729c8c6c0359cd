"""Launch of the prepare_images kernel."""

import numpy as np

from kernels._device import Source, device, layout

_source = Source("prepare_images/cuda.cu", "prepare_images", types=("float32",))


def forward(images, offsets, flips, color_shift, mean, scale, *, output):
    H, W = images.shape[1:3]
    N, _, OH, OW = output.shape
    target = layout.begin(output)
    _source.launch(
        "prepare_images",
        output.dtype,
        device.blocks(N * OH, 1),
        *(images, offsets, flips, color_shift, mean, np.bool_(mean.ndim == 3), float(scale)),
        *(target, np.int64(N * OH), H, W, OH, OW),
    )
    layout.finish(target, output)
