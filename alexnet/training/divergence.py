"""Finds the layer that a loss which is not finite comes from, once there is such a loss."""

from typing import Any

import numpy as np

from alexnet.inference import layers
from minigrad import Tensor, nn

PLURAL = {"weight": "weights", "bias": "biases"}


def cause(model: nn.Module, images: Any) -> str:
    """The first layer, from input to output, with a value that is NaN or infinite, in words.

    Looks at the parameters of a layer before its output on the batch. The layers are applied
    without dropout: if a value overflowed only through its factor, the largest value is named.

    Args:
        images: the batch that failed, as the network got it: (N, 3, S, S).
    """
    if count := _not_finite(Tensor(images)):
        return f"{count:,} of the {images.size:,} values of the input are not finite"
    largest, largest_at = 0.0, ""
    for name, layer, output in layers.outputs(model, images):
        if broken := _broken_parameters(layer):
            return f"{broken} of {name} are not finite since the last update{_others(model, name)}"
        if count := _not_finite(output):
            return f"the output of {name} overflows: {count:,} of {output.numel():,} values"
        if (size := float(np.abs(output.numpy()).max())) > largest:
            largest, largest_at = size, name
    return (
        "without dropout every layer's output is finite; the largest value, "
        f"{largest:.1e}, comes from {largest_at}"
    )


def _others(model: nn.Module, first: str) -> str:
    """Where a broken gradient started: the backward pass carried it on towards the input."""
    named = layers.named_layers(model)
    broken = [name for name, layer in named.items() if _broken_parameters(layer)]
    if broken[-1] == first:
        return ""
    return f"; so are those of later layers, up to {broken[-1]}, where it began"


def _broken_parameters(layer: nn.Module) -> str:
    """How many parameters are NaN or infinite, as "3 of the 864 weights"; empty if none are."""
    for name, parameter in layer.named_parameters():
        if count := _not_finite(parameter):
            return f"{count:,} of the {parameter.numel():,} {PLURAL[name]}"
    return ""


def _not_finite(tensor: Tensor) -> int:
    return int((~np.isfinite(tensor.numpy())).sum())
