"""The reference kernels, in plain loops: every kernel family by its name."""

from minigrad.kernels.adam import reference as adam
from minigrad.kernels.avg_pool2d import reference as avg_pool2d
from minigrad.kernels.bias import reference as bias
from minigrad.kernels.conv2d import reference as conv2d
from minigrad.kernels.cross_entropy import reference as cross_entropy
from minigrad.kernels.dropout import reference as dropout
from minigrad.kernels.im2col import reference as im2col
from minigrad.kernels.linear import reference as linear
from minigrad.kernels.local_response_norm import reference as local_response_norm
from minigrad.kernels.local_response_norm_max_pool2d import (
    reference as local_response_norm_max_pool2d,
)
from minigrad.kernels.max_pool2d import reference as max_pool2d
from minigrad.kernels.prepare_images import reference as prepare_images
from minigrad.kernels.relu import reference as relu
from minigrad.kernels.sgd import reference as sgd

__all__ = [
    "adam",
    "avg_pool2d",
    "bias",
    "conv2d",
    "cross_entropy",
    "dropout",
    "im2col",
    "linear",
    "local_response_norm",
    "local_response_norm_max_pool2d",
    "max_pool2d",
    "prepare_images",
    "relu",
    "sgd",
]

# Whether images lie in memory with their channels last.
CHANNELS_LAST = False
