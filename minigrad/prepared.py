"""Weights that kernels prepare once, where a network is used and not trained."""

from minigrad.blocks import Block
from minigrad.kernels.shared import prepared

__all__ = ["PreparedWeights"]


class PreparedWeights:
    """The weights of a network in the form in which kernels take them.

    Kernels transform, pack or round weights in each call. Within `in_use` they do it once and keep
    the result as long as the weight's array exists: about as much memory again as it takes, for
    convolutions up to 13 times as much, and again for another size of a batch that is computed in
    another way. An optimizer's step and `load_state_dict` are noticed. What is written into an
    array otherwise is not always: take new `PreparedWeights` then. It holds for operations on the
    CPU.

        weights = PreparedWeights()
        with no_grad(), weights.in_use():
            scores = model(images)
    """

    def __init__(self) -> None:
        self._kept = prepared.PreparedWeights()

    def in_use(self) -> Block:
        """The block, or decorator, within which operations of this thread keep their weights."""
        return _InUse(self._kept)


class _InUse(Block):
    def __init__(self, weights: prepared.PreparedWeights):
        super().__init__()
        self._weights = weights

    def _enter(self) -> prepared.PreparedWeights | None:
        return prepared.use(self._weights)

    def _leave(self, before: prepared.PreparedWeights | None) -> None:
        prepared.use(before)
