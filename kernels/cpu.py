"""The CPU's kernels, in Numba: every kernel family by its name."""

from minigrad.kernels.adam import cpu as adam
from minigrad.kernels.avg_pool2d import cpu as avg_pool2d
from minigrad.kernels.bias import cpu as bias
from minigrad.kernels.conv2d import cpu as conv2d
from minigrad.kernels.cross_entropy import cpu as cross_entropy
from minigrad.kernels.dropout import cpu as dropout
from minigrad.kernels.im2col import cpu as im2col
from minigrad.kernels.lerp import cpu as lerp
from minigrad.kernels.linear import cpu as linear
from minigrad.kernels.local_response_norm import cpu as local_response_norm
from minigrad.kernels.local_response_norm_max_pool2d import cpu as local_response_norm_max_pool2d
from minigrad.kernels.max_pool2d import cpu as max_pool2d
from minigrad.kernels.prepare_images import cpu as prepare_images
from minigrad.kernels.relu import cpu as relu
from minigrad.kernels.sgd import cpu as sgd
from minigrad.kernels.vector_norm import cpu as vector_norm

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
]
