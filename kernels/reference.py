"""The reference kernels, in plain loops: every kernel family by its name.

The loops take images as (N, C, H, W), the way formulas are usually written. Here they are called
with channels last, as those of the other backends are, so that they can take their place.
"""

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.kernels.adam import reference as adam
from minigrad.kernels.avg_pool2d import reference as avg_pool2d_loops
from minigrad.kernels.bias import reference as bias_loops
from minigrad.kernels.conv2d import reference as conv2d_loops
from minigrad.kernels.cross_entropy import reference as cross_entropy
from minigrad.kernels.dropout import reference as dropout
from minigrad.kernels.im2col import reference as im2col_loops
from minigrad.kernels.lerp import reference as lerp
from minigrad.kernels.linear import reference as linear
from minigrad.kernels.local_response_norm import reference as local_response_norm_loops
from minigrad.kernels.local_response_norm_max_pool2d import (
    reference as local_response_norm_max_pool2d_loops,
)
from minigrad.kernels.max_pool2d import reference as max_pool2d_loops
from minigrad.kernels.prepare_images import reference as prepare_images_loops
from minigrad.kernels.relu import reference as relu
from minigrad.kernels.sgd import reference as sgd
from minigrad.kernels.vector_norm import reference as vector_norm

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

# Arguments with channels, in the families below.
IMAGES = {"input", "output", "grad_output", "grad_input", "argmax"}


class ChannelsLast:
    """A family of loops over (N, C, ...), called with arrays (N, ..., C)."""

    def __init__(self, family: ModuleType):
        self._family = family

    def __getattr__(self, name: str) -> Callable[..., None]:
        function = getattr(self._family, name)
        names = tuple(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> None:
            named.update(zip(names, arguments))
            for key in IMAGES & named.keys():
                # A view: what is written to it is written to the array.
                named[key] = np.moveaxis(named[key], -1, 1)
            function(**named)

        return call


avg_pool2d = ChannelsLast(avg_pool2d_loops)
bias = ChannelsLast(bias_loops)
conv2d = ChannelsLast(conv2d_loops)
im2col = ChannelsLast(im2col_loops)
local_response_norm = ChannelsLast(local_response_norm_loops)
local_response_norm_max_pool2d = ChannelsLast(local_response_norm_max_pool2d_loops)
max_pool2d = ChannelsLast(max_pool2d_loops)
prepare_images = ChannelsLast(prepare_images_loops)
