"""Sizes of a network: of its layers at a width, and of what its convolutions give."""

import math
from typing import Any

from alexnet.model.layer_values import LayerValues, layer_value
from minigrad import nn


def require_size(model: Any, num_classes: int, image_size: int) -> None:
    """Raise ValueError unless the network can have these classes and images."""
    name = type(model).__name__
    if num_classes < 2:
        raise ValueError(f"{name}: num_classes must be at least 2, got {num_classes}")
    if image_size < model.minimum_image_size:
        raise ValueError(
            f"{name}: image_size must be at least {model.minimum_image_size}, got {image_size}"
        )


def scaled(channels: int, width: LayerValues, name: str) -> int:
    """Channels of a layer at this width: even, because two groups share them, and at least 8."""
    return max(8, 2 * round(channels * layer_value(width, name) / 2))


def feature_shape(features: nn.Sequential, image_size: int) -> tuple[int, int, int, int]:
    """(1, C, H, W) that the convolutional part gives for an image.

    Raises:
        ValueError: an image is too small for one of its windows.
    """
    shape = 1, 3, image_size, image_size
    for layer in features:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            shape = layer.output_shape(shape)
    return shape


def feature_count(features: nn.Sequential, image_size: int) -> int:
    """Elements that the convolutional part gives for an image."""
    return math.prod(feature_shape(features, image_size))
