"""What all networks for images have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from minigrad import nn


class ImageClassifier(nn.Module):
    """A network from images (N, 3, S, S) to scores of classes.

    Attributes:
        default_image_size: S in pixels, as its authors have it.
        minimum_image_size: the smallest S.
        variants: the arguments that make another network; a checkpoint of such a network stores
            them.
        norms: what the names of its normalizations stand for: the constants that are not those of
            `default_norm`, for input in gray levels. The first one is the default.
        hidden_layers: names of the layers with parameters, but the last.
        layer_names: names of all layers with parameters, as they are applied.
        code2012_deviations: of the initial weights by layer, in the authors' configuration.
        code2012_bias: initial value, in that configuration, of the biases in `positive_biases`.
        positive_biases: the layers whose biases the paper begins with 1.
    """

    default_image_size: int
    minimum_image_size: int
    variants: Sequence[str]
    norms: ClassVar[Mapping[str, dict[str, Any]]] = {}
    default_norm: ClassVar[Mapping[str, Any]] = {}
    hidden_layers: tuple[str, ...]
    layer_names: tuple[str, ...]
    code2012_deviations: ClassVar[Mapping[str, float]]
    code2012_bias: float = 0.1
    positive_biases: tuple[str, ...]
