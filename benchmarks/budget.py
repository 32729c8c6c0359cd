"""What a training step does beside its layers: the loss, the update; and the step as a whole.

With these the layers' times must add up to the time of a step, or something was forgotten.
"""

import time
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np

from alexnet.precision import products_in
from benchmarks.precision import FLOAT32
from benchmarks.timing import Sample, interleaved
from minigrad import Tensor, backend, nn, optim
from minigrad import functional as F

SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4}

Work = Callable[[], object]
# Name and pass, shape, bytes that must move; ours and PyTorch's time.
Row = tuple[str, str, tuple[int, ...], int, Sample, Sample | None]


def loss_and_update(
    model: nn.Module, scores_shape: tuple[int, int], repeats: int, torch: ModuleType | None
) -> Iterator[Row]:
    """The loss with its gradient, and the update of all parameters, beside PyTorch's fused ones."""
    scores = np.random.default_rng(0).standard_normal(scores_shape, np.float32)
    labels = np.arange(scores_shape[0]) % scores_shape[1]
    works = our_loss(scores, labels), torch_loss(torch, scores, labels) if torch else None
    yield "loss", "both", scores_shape, 3 * scores.nbytes, *_in_turn(works, repeats)

    parameters = [parameter.numpy() for parameter in model.parameters()]
    numbers = sum(array.size for array in parameters)
    works = our_update(parameters), torch_update(torch, parameters) if torch else None
    # Weight, momentum and gradient are read; weight and momentum are written.
    yield "update", "weights", (1, numbers), 5 * 4 * numbers, *_in_turn(works, repeats)


def whole_step(
    model: nn.Module, images: np.ndarray, repeats: int, precision: str = FLOAT32
) -> Sample:
    """Forward, loss, backward and update of this engine, through its public interface."""
    batch = Tensor(backend.get("cpu").images(images))
    labels = np.zeros(len(images), np.int64)
    optimizer = optim.SGD(model.parameters(), **SGD)
    model.train()

    def step() -> None:
        with products_in(precision):
            scores = model(batch)
        F.cross_entropy(scores, labels).backward()
        optimizer.step()
        model.zero_grad()

    return interleaved([lambda: _seconds(step)], repeats)[0]


def _in_turn(works: tuple[Work, Work | None], repeats: int) -> tuple[Sample, Sample | None]:
    samples = interleaved([lambda w=w: _seconds(w) for w in works if w], repeats)
    return samples[0], samples[1] if len(samples) > 1 else None


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def our_loss(scores: np.ndarray, labels: np.ndarray) -> Work:
    """The mean cross-entropy and its gradient with respect to the scores, which it returns."""

    def work() -> np.ndarray:
        leaf = Tensor(scores, requires_grad=True)
        F.cross_entropy(leaf, labels).backward()
        return leaf.grad.numpy()

    return work


def torch_loss(torch: ModuleType, scores: np.ndarray, labels: np.ndarray) -> Work:
    target = torch.from_numpy(labels)

    def work() -> np.ndarray:
        leaf = torch.from_numpy(scores).detach().requires_grad_()
        torch.nn.functional.cross_entropy(leaf, target).backward()
        return leaf.grad.numpy()

    return work


def our_update(arrays: list[np.ndarray]) -> Work:
    """A step of SGD on copies of the arrays, with gradients equal to them; returns the copies."""
    parameters = [nn.Parameter(array.copy()) for array in arrays]
    for parameter, array in zip(parameters, arrays):
        parameter.grad = Tensor(array.copy())
    optimizer = optim.SGD(parameters, **SGD)

    def work() -> list[np.ndarray]:
        optimizer.step()
        return [parameter.numpy() for parameter in parameters]

    return work


def torch_update(torch: ModuleType, arrays: list[np.ndarray]) -> Work:
    parameters = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in arrays]
    for parameter, array in zip(parameters, arrays):
        parameter.grad = torch.from_numpy(array.copy())
    optimizer = torch.optim.SGD(parameters, fused=True, **SGD)

    def work() -> list[np.ndarray]:
        optimizer.step()
        return [parameter.detach().numpy() for parameter in parameters]

    return work
