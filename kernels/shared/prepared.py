"""Weights in the form in which kernels take them, kept while they do not change.

Kernels transform, pack or round their weights in each call: in training they change every time.
Where a network is used as it is, for one image after the other, that takes longer than the rest.
Within `PreparedWeights.in_use` it is done once.
"""

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

_SAMPLES = 61  # numbers of a weight that are looked at, to notice a change

_changes = 0


def weights_changed() -> None:
    """What was prepared before is not used again: weights are about to be overwritten."""
    global _changes
    _changes += 1


class _Mode(threading.local):
    weights: "PreparedWeights | None" = None


_mode = _Mode()


class PreparedWeights:
    """The prepared forms of some weights, which must not change while they are in use.

    They are kept as long as the weights, and hold about as much memory again, for convolutions up
    to 13 times as much.
    """

    def __init__(self) -> None:
        self._forms: dict[Hashable, tuple[weakref.ref, Hashable, Any]] = {}

    def get(self, weight: np.ndarray, form: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returned for this weight and form before, or returns now."""
        forms, key = self._forms, (id(weight), form)
        # An odd step: with a power of two all samples could be of one channel.
        sample = weight.reshape(-1)[:: weight.size // _SAMPLES | 1].tobytes()
        state = _changes, sample
        kept = forms.get(key)
        if kept is None or kept[1] != state:
            # With the weight its forms go, before another one can have its id.
            of_weight = weakref.ref(weight, lambda _: forms.pop(key, None))
            kept = forms[key] = of_weight, state, make()
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
        weight: an array; nothing is kept longer than it lives.
        form: all that the form depends on besides the weight.
    """
    return make() if _mode.weights is None else _mode.weights.get(weight, form, make)
