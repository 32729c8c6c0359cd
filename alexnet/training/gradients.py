"""The gradients of a batch: of its parts, which processes divide among themselves, added up."""

import math
from collections.abc import Callable
from typing import Any

from alexnet.data.batch import Batch, Share
from alexnet.run.metrics import topk_correct
from alexnet.training.loss import TrainingLoss
from alexnet.training.state import PartResult, Size
from minigrad import Tensor, nn
from minigrad.backend import Backend
from minigrad.distributed import OverlappedSum, PairwiseSum, Team, add_arrays
from minigrad.random import random_keys


class BatchGradients:
    """Computes the gradients of a network on batches; they are left in its parameters.

    Args:
        parts: of a batch, which the processes of `sharing` divide among themselves.
        cause: says in words why the loss on images, the network's input, is not finite.

    Attributes:
        parameters: those that learn.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: TrainingLoss,
        device: Backend,
        sharing: Team,
        parts: int,
        cause: Callable[[Any], str],
    ):
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self._model, self._loss, self._device = model, loss, device
        self._sharing, self._cause = sharing, cause
        # Sums while the backward pass goes on: of GPUs with one part each. On the CPU they would
        # take the cores that compute.
        self._overlapped = None
        if sharing.size > 1 and parts == sharing.size and device.name != "cpu":
            self._overlapped = OverlappedSum(sharing, self.parameters)

    def compute(self, share: Share, sizes: list[Size]) -> list[PartResult]:
        """Compute the gradients of a batch; returns what its parts have shown, in their order.

        Where the loss of a part is not finite, the gradients mean nothing.

        Args:
            share: what this process computes of it.
            sizes: of all its parts.
        """
        gradients = PairwiseSum(add_arrays, share.first)
        if self._overlapped:
            self._overlapped.begin([size.images > 0 for size in sizes])
        first_call, results = random_keys.call, []
        for number, part in enumerate(share.parts, share.first):
            for parameter in self.parameters:
                parameter.grad = None
            if part is not None:
                with random_keys.part_of_batch(first_call, Size.sum(sizes[:number]).images):
                    results.append(self._of_part(part, Size.sum(sizes)))
            own = [None if p.grad is None else p.grad.data for p in self.parameters]
            gradients.put(part and own)
        sums = self._overlapped.finish() if self._overlapped else None
        results = [result for results in self._sharing.gather(results) for result in results]
        if any(result.problem for result in results):
            return results
        if sums is None:
            sums = self._sharing.sum(gradients.nodes, [p.data for p in self.parameters])
        for parameter, array in zip(self.parameters, sums):
            parameter.grad = None if array is None else Tensor(array)
        return results

    def _of_part(self, part: Batch, batch: Size) -> PartResult:
        """The gradients of a part of a batch, and what it has shown."""
        images = part.prepare(self._device)
        logits = self._model(Tensor(images))
        loss, size = self._loss(logits, part.labels), self._loss.size_of(part.labels)
        read = self._device.read_later(loss.data, logits.data)
        # The mean over the batch is the mean over its parts, weighted by their sizes. A GPU is busy
        # with this while the host reads what the forward pass has given, and goes on.
        (loss * (size.weight / batch.weight)).backward()
        value, scores = read()
        value = value.item()
        problem = None if math.isfinite(value) else self._cause(images)
        correct = topk_correct(scores, part.labels, 1)
        return PartResult(value, size, correct, problem, random_keys.call)
