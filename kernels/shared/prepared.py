"""Weights in the form in which kernels take them, kept while they do not change.

Kernels transform, pack or round their weights in each call: in training they are others every
time. Where a network is used as it is, for one image after the other, that takes longer than the
rest. Within `PreparedWeights.in_use` it is done once.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

_SAMPLES = 16  # numbers of a weight that are looked at, to notice a change


class _Mode(threading.local):
    weights: "PreparedWeights | None" = None


_mode = _Mode()


class PreparedWeights:
    """The prepared forms of some weights, which must not change while they are in use.

    They hold about as much memory again as the weights, for convolutions several times as much.
    """

    def __init__(self) -> None:
        self._forms: dict[Hashable, tuple[np.ndarray, bytes, Any]] = {}

    def get(self, weight: np.ndarray, form: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returned for this weight and form before, or returns now."""
        key = (weight.ctypes.data, weight.shape, form)
        sample = weight.reshape(-1)[:: max(1, weight.size // _SAMPLES)].tobytes()
        kept = self._forms.get(key)
        if kept is None or kept[1] != sample:
            # The weight is kept, too: its address must not become another one's.
            kept = self._forms[key] = weight, sample, make()
        return kept[2]


def use(weights: PreparedWeights | None) -> PreparedWeights | None:
    """Let kernels that this thread calls keep their weights there; returns what it was before."""
    before, _mode.weights = _mode.weights, weights
    return before


def is_kept() -> bool:
    """Whether what is prepared now is kept."""
    return _mode.weights is not None


def prepared(weight: np.ndarray, form: Hashable, make: Callable[[], Any]) -> Any:
    """A form of a weight: what `make` returns, or did when the weight was used before.

    Args:
        weight: an array that lives as long as the network, not one made for a call.
        form: all that the form depends on besides the weight.
    """
    return make() if _mode.weights is None else _mode.weights.get(weight, form, make)
