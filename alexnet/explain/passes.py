"""One image through a network layer by layer, and the gradient of its loss back to every layer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.inference import layers
from minigrad import Tensor, nn
from minigrad import functional as F

IMAGE, LOSS = "image", "loss"


@dataclass
class Layer:
    """A layer of a network, and what it computed of one image.

    Attributes:
        name: as in `inference.layers.named_layers`.
        module: the layer itself.
        activation: the ReLU or tanh that follows it directly, which is explained with it.
        source: the layer whose output it takes, "image" for the first one.
        received: that output, (C, H, W) or (F,).
        input: the same as the layer takes it: as a vector, if it was flattened.
        before: the output before the activation.
        output: the output after it.
        grad_before, grad_output: the gradients of the loss to both.
    """

    name: str
    module: nn.Module
    activation: nn.Module | None
    source: str
    received: np.ndarray
    input: np.ndarray
    before: np.ndarray
    output: np.ndarray
    grad_before: np.ndarray
    grad_output: np.ndarray


@dataclass
class _Call:
    """A layer's tensors, each in a graph of its own, so that all gradients between are known."""

    name: str
    module: nn.Module
    activation: nn.Module | None
    received: Tensor
    input: Tensor
    before: Tensor
    inner: Tensor
    output: Tensor


class Passes:
    """Forward and backward through a network for one image, in evaluation mode.

    Every layer is computed by itself. The numbers are those of the whole network, bit for bit: a
    pair that the network computes in one operation gives the same.

    Args:
        model: on the CPU.
        image: prepared, (1, 3, S, S).
        label: the class whose cross-entropy is the loss; by default the most probable one.

    Attributes:
        layers: by name, in order; activations and flattening have no entry of their own.
        scores: of the K classes, (K,).
        label: see above.

    Raises:
        ValueError: there is no such class.
    """

    def __init__(self, model: nn.Module, image: np.ndarray, label: int | None = None):
        model.eval()
        with layers.frozen(model):
            calls = _forward(model, image)
            self.scores = calls[-1].output.numpy()[0]
            self.label = int(self.scores.argmax()) if label is None else label
            if not 0 <= self.label < len(self.scores):
                raise ValueError(f"label must be in [0, {len(self.scores)}), got {label}")
            self.layers = _backward(calls, self.scores, self.label)

    def next_layer(self, name: str) -> Layer | None:
        """The layer that takes the output of a layer; None for the last one."""
        return next((layer for layer in self.layers.values() if layer.source == name), None)


def _forward(model: nn.Module, image: np.ndarray) -> list[_Call]:
    steps = list(layers.named_layers(model).items())
    followers = [module for _, module in steps[1:]] + [None]
    calls = []
    received = taken = Tensor(image, requires_grad=True)
    for (name, module), follower in zip(steps, followers):
        if isinstance(module, nn.Flatten):
            taken = module(taken)
        elif not isinstance(module, layers.ACTIVATIONS):
            activation = follower if isinstance(follower, layers.ACTIVATIONS) else None
            before = module(taken)
            inner = Tensor(before.data, requires_grad=True)
            output = _activated(activation, inner)
            calls.append(_Call(name, module, activation, received, taken, before, inner, output))
            received = taken = Tensor(output.data, requires_grad=True)
    return calls


def _activated(activation: nn.Module | None, values: Tensor) -> Tensor:
    """Not in place, as a network's own ReLU may be: the values before it are explained, too."""
    if activation is None:
        return values
    return F.relu(values) if isinstance(activation, nn.ReLU) else activation(values)


def _backward(calls: list[_Call], scores: np.ndarray, label: int) -> dict[str, Layer]:
    logits = Tensor(scores[np.newaxis], requires_grad=True)
    F.cross_entropy(logits, np.array([label])).backward()
    gradient: Any = logits.grad
    found = {}
    sources = [IMAGE, *(call.name for call in calls)]
    for call, source in reversed(list(zip(calls, sources))):
        grad_output = gradient
        if call.output is call.inner:
            grad_before = gradient
        else:
            call.output.backward(gradient)
            grad_before = call.inner.grad
        if call.before is call.received:  # dropout, in evaluation
            gradient = grad_before
        else:
            call.before.backward(grad_before)
            gradient = call.received.grad
        tensors = call.received, call.input, call.before, call.output, grad_before, grad_output
        arrays = (tensor.numpy()[0] for tensor in tensors)
        found[call.name] = Layer(call.name, call.module, call.activation, source, *arrays)
    return dict(reversed(found.items()))
