"""A network looked at layer by layer: what each makes of a batch."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.data.loader import Loader
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend


def layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers that compute something, by name, in the order in which they are defined.

    That is the order in which the networks of this project apply them.
    """
    return [(name, m) for name, m in model.named_modules() if not list(m.named_children())]


def steps(model: nn.Module) -> list[nn.Module]:
    """The layers as the network applies them: two that are computed together are one `nn.Fused`."""
    if isinstance(model, nn.Sequential):
        children = list(model.steps)
    else:
        children = [child for _, child in model.named_children()]
    if isinstance(model, nn.Fused) or not children:
        return [model]
    return [step for child in children for step in steps(child)]


def title(name: str, layer: nn.Module) -> str:
    """A layer for people: "features.4 (Conv2d)"."""
    return f"{name} ({type(layer).__name__})"


def outputs(
    model: nn.Module, images: Any, dropout: bool = False
) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Send a prepared batch (N, 3, S, S) through the layers one by one, as in evaluation.

    Args:
        dropout: as in training.

    An output is to be looked at before the next one is asked for: a ReLU may overwrite it.
    """
    was_training = model.training
    model.train(dropout)
    try:
        with no_grad():
            values = Tensor(images)
            for name, layer in layers(model):
                values = layer(values)
                yield name, layer, values
    finally:
        model.train(was_training)


def batch(loader: Loader, count: int, backend: Backend) -> tuple[Any, np.ndarray]:
    """A few images of a loader's set, of mixed classes and without augmentation.

    Returns:
        the network's input (N, 3, S, S) with N at most `count`, and the labels (N,).
    """
    few = Loader(
        loader.dataset,
        loader.preprocessing,
        min(count, len(loader.dataset)),
        shuffle=True,
        workers=0,
    )
    with contextlib.closing(few.batches(epoch=0)) as batches:
        images = next(batches)
    return images.prepare(backend), images.labels


@dataclass(frozen=True)
class LayerCost:
    """One layer for one image: multiply-adds count a product and its addition as one."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


def layer_costs(model: nn.Module, image_size: int) -> list[LayerCost]:
    """The cost of every layer, found by sending one image through the layers in order."""
    image = Tensor(np.zeros((1, 3, image_size, image_size), np.float32))
    costs = []
    pairs = [step.layers for step in steps(model) if isinstance(step, nn.Fused)]
    fused = {layer for pair in pairs for layer in pair}
    was_training = model.training
    model.eval()
    with no_grad():
        for name, layer in layers(model):
            output = layer(image)
            parameters = sum(p.numel() for p in layer.parameters())
            multiply_adds = _multiply_adds(layer, output)
            # Flatten and a ReLU in place keep the memory of their input, and so does dropout, but
            # only here, where it is off.
            shared = np.may_share_memory(image.data, output.data)
            is_view = shared and not isinstance(layer, nn.Dropout)
            # Two fused layers write one array. It is listed with the convolution or the pooling.
            is_skipped = layer in fused and isinstance(layer, nn.ReLU | nn.LocalResponseNorm)
            memory = 0 if is_view or is_skipped else 4 * math.prod(output.shape)
            image = output
            costs.append(
                LayerCost(
                    name, type(layer).__name__, image.shape[1:], parameters, multiply_adds, memory
                )
            )
    model.train(was_training)
    return costs


def _multiply_adds(module: nn.Module, output: Tensor) -> int:
    """Products of weights with inputs; the layers without weights are cheap and not counted."""
    if isinstance(module, nn.Conv2d):
        return output.numel() * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return module.weight.numel()
    return 0
