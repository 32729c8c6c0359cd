"""What the response normalizations of a network do to the activations of real images.

A normalization divides an activation by (k + alpha / size * sum of squares) ** beta, the sum over
`size` adjacent channels, or over pixels of the same channel. Where the sum is small, that is a
multiplication by k ** -beta.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from alexnet.inference.layers import outputs
from alexnet.model.layers import RESPONSE_NORMS
from minigrad import Tensor, nn

# A normalization is a constant if 99% of its activations keep this share of k ** -beta, or more.
CONSTANT_GAIN = 0.995


class Pairs(NamedTuple):
    """Activations before and after a normalization, where they are not 0.

    Attributes:
        layer: its name: norm1, norm2.
        constant: k ** -beta, by which it multiplies where the sum of squares is small.
        input, output: (N,)
    """

    layer: str
    constant: float
    input: np.ndarray
    output: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """(N,) output / input as a share of the constant: at most 1, less where it normalizes."""
        return self.output / self.input / self.constant

    @property
    def is_constant(self) -> bool:
        """Whether it does little more than to multiply; without any activation nothing is known."""
        return bool(len(self.input) and np.quantile(self.gain, 0.01) > CONSTANT_GAIN)


def pairs(model: nn.Module, images: Any) -> Iterator[Pairs]:
    """Those of each normalization, for N prepared images (N, 3, S, S), in evaluation mode."""
    before = Tensor(images)
    for name, layer, after in outputs(model, images):
        if isinstance(layer, RESPONSE_NORMS):
            inputs = before.numpy()
            active = inputs != 0
            constant = layer.k**-layer.beta
            yield Pairs(name, constant, inputs[active], after.numpy()[active])
        before = after
