"""What a network says about images: class scores, and how good they are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from alexnet.data.loader import Batch, sent_ahead
from alexnet.run.metrics import Mean, topk_correct
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend


class Evaluation(NamedTuple):
    """Results on a set of images: mean loss per image, accuracies as fractions."""

    loss: float
    top1: float
    top5: float


class Scores:
    """The results so far of a pass over a set of images."""

    def __init__(self):
        self.loss, self.top1, self.top5 = Mean(), Mean(), Mean()

    def add(self, log_probabilities: np.ndarray, labels: np.ndarray) -> None:
        """N more images: (N, C) and (N,)."""
        count = len(labels)
        of_label = np.take_along_axis(log_probabilities, labels[:, np.newaxis], axis=1)
        self.loss.add(-float(of_label.sum()), count)
        self.top1.add(topk_correct(log_probabilities, labels, 1), count)
        self.top5.add(topk_correct(log_probabilities, labels, 5), count)

    def result(self) -> Evaluation:
        return Evaluation(self.loss.value, self.top1.value, self.top5.value)


def predict(
    model: nn.Module, batches: Iterator[Batch], backend: Backend
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Each batch of N images with the logarithms of their class probabilities, float64 (N, C).

    Of several views of an image the probabilities are averaged (section 4.1 of the paper). The
    network is left in evaluation mode.
    """
    model.eval()
    for batch in sent_ahead(batches, backend):
        with no_grad():
            logits = model(Tensor(batch.prepare(backend))).numpy()
        views = len(logits) // len(batch)
        yield batch, mean_log_probabilities(logits.reshape(len(batch), views, -1))


def mean_log_probabilities(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the mean over views of softmax(logits): (N, V, C) to float64 (N, C)."""
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=2, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
    if logits.shape[1] == 1:
        return logits[:, 0]
    # Relative to the most probable view, so that the smallest probabilities stay above zero.
    largest = logits.max(axis=1, keepdims=True)
    return (largest + np.log(np.exp(logits - largest).mean(axis=1, keepdims=True)))[:, 0]
