"""Parameter initialization. Each function fills a parameter in place and returns it.

Random values are drawn on the CPU, so that they are the same on every backend, with the next of
the random keys that `minigrad.manual_seed` restarts.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator

import numpy as np

from minigrad import backend
from minigrad.random import random_keys
from minigrad.tensor import Tensor

_mode = threading.local()


def _is_skipped() -> bool:
    return getattr(_mode, "skipped", False)


def _takes_keys() -> bool:
    return getattr(_mode, "takes_keys", True)


@contextlib.contextmanager
def skipped(take_keys: bool = True) -> Iterator[None]:
    """Within this block, and this thread, the functions of this module fill nothing.

    For networks whose parameters are filled later: their layers, which otherwise initialize
    themselves, leave the memory untouched.

    Args:
        take_keys: take random keys as always, so that what is drawn afterwards does not depend on
            what was skipped. False: take none, so that it does not depend on this block at all.
    """
    before = _is_skipped(), _takes_keys()
    _mode.skipped, _mode.takes_keys = True, before[1] and take_keys
    try:
        yield
    finally:
        _mode.skipped, _mode.takes_keys = before


def _fill(tensor: Tensor, draw: Callable[[np.random.Generator], np.ndarray]) -> Tensor:
    if not _takes_keys():
        return tensor
    key = np.array(random_keys.next(), np.uint64)
    if not _is_skipped():
        values = draw(np.random.Generator(np.random.Philox(key=key)))
        tensor.data[...] = backend.backend_of(tensor.data).asarray(values)
    return tensor


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: inputs of one output and outputs of one input.

    Args:
        shape: (out_features, in_features) or (out_channels, in_channels / groups, KH, KW).
    """
    if len(shape) < 2:
        raise ValueError(f"fans: a weight has at least 2 dimensions, got shape {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Every element `value`."""
    if not _is_skipped():
        tensor.data[...] = value
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Independent N(mean, std^2)."""
    return _fill(
        tensor, lambda random: mean + std * random.standard_normal(tensor.shape, tensor.dtype)
    )


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Independent uniform numbers in [a, b)."""
    return _fill(tensor, lambda random: a + (b - a) * random.random(tensor.shape, tensor.dtype))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in +-gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, gain^2 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor.shape))))


def kaiming_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in +-gain sqrt(6 / fan_in), for layers before a ReLU (He et al. 2015)."""
    bound = gain * math.sqrt(6 / fans(tensor.shape)[0])
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, gain^2 2 / fan_in), for layers before a ReLU (He et al. 2015)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / fans(tensor.shape)[0]))
