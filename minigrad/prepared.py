"""Weights that kernels prepare once, where a network is used and not trained."""

from minigrad.blocks import Block
from minigrad.kernels.shared import prepared

__all__ = ["PreparedWeights"]


class PreparedWeights:
    """The weights of a network in the form in which kernels take them.

    Kernels transform, pack or round weights in each call. Within `in_use` they do it once and keep
    the result, in about as much memory again as the weights take, for convolutions several
    times as much. Meanwhile the weights must not change; an optimizer's step is noticed, the
    change of a few numbers is not. It holds for operations on the CPU.

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
