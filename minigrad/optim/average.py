"""A moving average of parameters, which is often better than the last of them."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.kernels.shared.prepared import weights_changed
from minigrad.optim.options import number
from minigrad.tensor import Tensor


class ExponentialMovingAverage:
    """The average a = decay * a + (1 - decay) * w of parameters w, after every step.

    As in PyTorch, where it is `torch.optim.swa_utils.AveragedModel` with
    ``multi_avg_fn=get_ema_multi_avg_fn(decay)``, the first `update` copies the parameters.

    Args:
        parameters: whose arrays `update` follows, as `model.parameters()`.
        decay: from 0 to 1; 0.999 averages over about the last thousand steps.

    Raises:
        ValueError, TypeError: decay is no such number.
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float):
        self.parameters, self.decay = list(parameters), number("EMA", "decay", decay)
        if not 0 <= self.decay <= 1:
            raise ValueError(f"EMA: need 0 <= decay <= 1, got {decay}")
        self._averages: list[Any] = []

    def update(self) -> None:
        """Follow the parameters, which an optimizer has just changed."""
        arrays = [parameter.data for parameter in self.parameters]
        if not self._averages:
            self._averages = [array.copy() for array in arrays]
            return
        for average, array in zip(self._averages, arrays):
            device = backend.backend_of(array)
            values = device.contiguous(array)
            device.kernels.lerp.update(average, values, 1 - self.decay)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Within this block the parameters hold their averages; before the first update nothing
        changes."""
        if not self._averages:
            yield
            return
        own = [parameter.data for parameter in self.parameters]
        try:
            self._assign(self._averages)
            yield
        finally:
            self._assign(own)

    def _assign(self, arrays: list[Any]) -> None:
        weights_changed()
        for parameter, array in zip(self.parameters, arrays):
            parameter.data = array

    @property
    def has_begun(self) -> bool:
        """Whether there are averages."""
        return bool(self._averages)

    def averages(self) -> list[np.ndarray]:
        """The averages as NumPy arrays, in the order of the parameters; none before `update`."""
        return [backend.backend_of(array).asnumpy(array) for array in self._averages]

    def load(self, averages: list[np.ndarray]) -> None:
        """Restore what `averages` returned for the same parameters.

        Raises:
            ValueError: they belong to other parameters; nothing is changed then.
        """
        shapes = [parameter.shape for parameter in self.parameters]
        if averages and [array.shape for array in averages] != shapes:
            raise ValueError("EMA.load: the averages belong to other parameters")
        self._averages = [
            backend.backend_of(parameter.data).asarray(array).astype(parameter.dtype)
            for parameter, array in zip(self.parameters, averages)
        ]
