"""The GPU's kernels, in CUDA C: every kernel family by its name."""

from minigrad.kernels.adam import cuda as adam
from minigrad.kernels.avg_pool2d import cuda as avg_pool2d
from minigrad.kernels.bias import cuda as bias
from minigrad.kernels.conv2d import cuda as conv2d
from minigrad.kernels.cross_entropy import cuda as cross_entropy
from minigrad.kernels.dropout import cuda as dropout
from minigrad.kernels.im2col import cuda as im2col
from minigrad.kernels.lerp import cuda as lerp
from minigrad.kernels.linear import cuda as linear
from minigrad.kernels.local_response_norm import cuda as local_response_norm
from minigrad.kernels.local_response_norm_max_pool2d import cuda as local_response_norm_max_pool2d
from minigrad.kernels.max_pool2d import cuda as max_pool2d
from minigrad.kernels.prepare_images import cuda as prepare_images
from minigrad.kernels.relu import cuda as relu
from minigrad.kernels.sgd import cuda as sgd
from minigrad.kernels.shared.source import Source
from minigrad.kernels.vector_norm import cuda as vector_norm

__all__ = [
    "adam",
    "avg_pool2d",
    "bias",
    "conv2d",
    "cross_entropy",
    "dropout",
    "im2col",
    "lerp",
    "linear",
    "local_response_norm",
    "local_response_norm_max_pool2d",
    "max_pool2d",
    "prepare_images",
    "relu",
    "sgd",
    "vector_norm",
    "sources",
]


def sources() -> dict[str, Source]:
    """The CUDA C sources of all families, by their paths."""
    return {source.path: source for source in Source.all}
