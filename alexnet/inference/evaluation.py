"""A pass of a network over images: class probabilities, and how good they are.

The same images count as right here and in the training metrics
(`alexnet.run.metrics.topk_correct`): a label counts only where no other class scores as high.
"""

import contextlib
import time
from collections.abc import Iterator

import numpy as np

from alexnet.data.batch import Batch, sent_ahead
from alexnet.data.loader import Loader, Timed
from alexnet.inference.results import Results
from alexnet.run.metrics import Mean
from alexnet.run.progress import Report
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend
from minigrad.distributed import Team, by_all_processes


def predict(
    model: nn.Module, batches: Iterator[Batch], backend: Backend
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Each batch of N images with the logarithms of their class probabilities, float64 (N, C).

    The probabilities of several views of an image are averaged (section 4.1 of the paper). The
    network is left in evaluation mode.
    """
    model.eval()
    for batch in sent_ahead(batches, backend):
        with no_grad():
            logits = model(Tensor(batch.prepare(backend))).numpy()
        views = len(logits) // len(batch)
        yield batch, mean_log_probabilities(logits.reshape(len(batch), views, -1))


def evaluate(
    model: nn.Module,
    loader: Loader,
    backend: Backend,
    report: Report,
    keep_probabilities: bool = False,
) -> Results:
    """Classify every image of a loader; the processes of its team divide the batches.

    Every process returns the results of all, in the order of the batches.

    Args:
        report: told of every batch, or of the batches that the processes of a team have classified
            at a time, see `alexnet.run.progress`. An exception in it ends the pass.
        keep_probabilities: the logarithms of those of all classes for each image: 4 bytes each.

    Raises:
        DataError: an image cannot be used, and is not to be skipped.
    """
    judged: dict[int, list[np.ndarray]] = {}
    loss, top1, batches = Mean(), Mean(), Timed(loader.batches(0))
    started = time.perf_counter()
    with contextlib.closing(batches):
        own = predict(model, batches, backend)
        while found := _of_all_processes(loader.team, own, keep_probabilities):
            judged |= found
            for _, _, _, _, losses, rank, *_ in found.values():
                loss.add(float(losses.sum()), len(losses))
                top1.add(int((rank <= 1).sum()), len(rank))
            images = sum(len(arrays[0]) for arrays in found.values())
            waiting = batches.seconds / (time.perf_counter() - started)
            report(images, loss.value, top1.value, waiting)
    if not judged:
        with by_all_processes():
            raise loader.nothing_usable()
    in_order = [judged[number] for number in sorted(judged)]
    loss = Mean()
    for _, _, _, _, losses, *_ in in_order:  # the bits of a sum depend on its order
        loss.add(float(losses.sum()), len(losses))
    kept = _joined([arrays.pop() for arrays in in_order]) if keep_probabilities else None
    arrays = map(np.concatenate, zip(*in_order))
    return Results(loader.dataset.classes, *arrays, loss.value, log_probabilities=kept)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The rows of all parts, which are freed one by one: both together may be too much."""
    joined = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined


def _of_all_processes(
    team: Team, own: Iterator[tuple[Batch, np.ndarray]], keep_probabilities: bool
) -> dict[int, list[np.ndarray]]:
    """The next batch of every process that has one, by number: the arrays of `Results`."""
    batch, log_probabilities = next(own, (None, None))
    found = None
    if batch is not None:
        arrays = [batch.indices, batch.labels, *judge(log_probabilities, batch.labels)]
        if keep_probabilities:
            arrays.append(log_probabilities.astype(np.float32))
        found = batch.number, arrays
    return dict(filter(None, team.gather(found)))


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


def judge(
    log_probabilities: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`predicted`, `probability`, `loss` and `rank` of `Results` from (N, C) and labels (N,)."""
    label_scores = np.take_along_axis(log_probabilities, labels[:, np.newaxis], axis=1)
    rank = (log_probabilities >= label_scores).sum(axis=1)  # counts the label itself
    rank[np.isnan(log_probabilities).any(axis=1)] = np.iinfo(rank.dtype).max  # wrong for any k
    # If another class scores as high as the label, that class counts as predicted.
    others = log_probabilities.copy()
    np.put_along_axis(others, labels[:, np.newaxis], -np.inf, axis=1)
    predicted = np.where(rank == 1, labels, others.argmax(axis=1))
    highest = np.take_along_axis(log_probabilities, predicted[:, np.newaxis], axis=1)
    return predicted, np.exp(highest[:, 0]), -label_scores[:, 0], rank
