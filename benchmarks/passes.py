"""A layer at its place in a network, and its passes in this engine and in PyTorch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from alexnet.inference.layers import named_layers
from alexnet.precision import products_in
from benchmarks import peer
from benchmarks.precision import BF16
from minigrad import Tensor, backend, manual_seed, nn
from minigrad.kernels import conv2d, linear

FORWARD, INPUT, WEIGHT = "forward", "d input", "d weight"


@dataclass(frozen=True)
class Layer:
    """A layer at its place in the network, with the input it gets there.

    Attributes:
        name: see `alexnet.inference.layers`: conv1 relu1 norm1 ... fc8.
        input: random, of the shape the layer sees.
        output_shape: for that input.
        passes: what a training step computes here. The first layer needs no gradient of its
            input, and only layers with weights have gradients of weights.
    """

    name: str
    module: nn.Module
    input: np.ndarray
    output_shape: tuple[int, ...]
    passes: tuple[str, ...]

    def flops(self) -> int:
        """Of any one pass: two for each multiply-add; 0 where there are no weights."""
        if isinstance(self.module, nn.Conv2d):
            return 2 * conv2d.multiply_adds(self.output_shape, self.module.weight.shape)
        if isinstance(self.module, nn.Linear):
            return 2 * linear.multiply_adds(self.output_shape[0], self.module.weight.shape)
        return 0

    def transferred_bytes(self, of: str) -> int:
        """Bytes that a pass must at least read and write: its arrays, each once."""
        input, output = 4 * self.input.size, 4 * math.prod(self.output_shape)
        parameters = 4 * sum(p.numel() for p in self.module.parameters())
        if parameters or of == FORWARD:
            return input + output + parameters
        # Activations, max-pooling and normalization look at their input again, or at as much that
        # they kept; dropout draws its mask once more instead.
        looks_back = not isinstance(self.module, nn.Dropout | nn.AdaptiveAvgPool2d)
        return (2 * input if looks_back else input) + output


def walk(
    model: nn.Module,
    image_size: int,
    batch_size: int,
    device: str = "cpu",
    draw: Callable[[tuple[int, ...]], np.ndarray] | None = None,
) -> list[Layer]:
    """The layers of a network from input to output; reshaping costs nothing and is left out.

    Each is timed alone, as PyTorch's are, also where the network fuses two.

    Args:
        device: where the model is; it is run once, for the shapes.
        draw: makes the float32 input of a shape; default: normally distributed.
    """
    draw = draw or partial(np.random.default_rng(0).standard_normal, dtype=np.float32)
    shape = (batch_size, 3, image_size, image_size)
    layers = []
    for name, module in named_layers(model).items():
        if isinstance(module, nn.ReLU):
            module = nn.ReLU()  # timed again and again, it must not overwrite its input
        input = draw(shape)
        shape = module(Tensor(input).to(device)).shape
        if isinstance(module, nn.Flatten):
            continue
        learns = bool(list(module.parameters()))
        passes = (FORWARD, *([INPUT] if layers else []), *([WEIGHT] if learns else []))
        layers.append(Layer(name, module, input, shape, passes))
    return layers


class Ours:
    """A layer of this engine, ready to be timed pass by pass.

    Its arrays have the order in memory that the layers before and after it would give them.
    """

    def __init__(self, layer: Layer, grad_output: np.ndarray, precision: str):
        self.precision = precision
        self.module = layer.module
        self.parameters = list(layer.module.parameters())
        images = backend.get("cpu").images
        self.input = Tensor(images(layer.input))
        self.grad_output = Tensor(images(grad_output))

    def run(self, of: str) -> tuple[float, list[np.ndarray]]:
        """Seconds of one pass, and the arrays that it computed."""
        self.input.requires_grad = of != WEIGHT
        for parameter in self.parameters:
            parameter.requires_grad = of != INPUT
        leaves = {INPUT: [self.input], WEIGHT: self.parameters, FORWARD: []}[of]
        for leaf in leaves:
            leaf.grad = None
        manual_seed(0)
        started = time.perf_counter()
        with products_in(self.precision):
            output = self.module(self.input)
        if of == FORWARD:
            return time.perf_counter() - started, [output.numpy()]
        started = time.perf_counter()
        output.backward(self.grad_output)
        return time.perf_counter() - started, [leaf.grad.numpy() for leaf in leaves]


class Torch:
    """The same layer in PyTorch, with the same weights.

    In bfloat16 it runs under autocast, and gets what the layers around it would give it: arrays of
    bfloat16, except for images.
    """

    def __init__(self, torch: ModuleType, layer: Layer, grad_output: np.ndarray, precision: str):
        self.torch = torch
        self.autocast = partial(torch.autocast, "cpu", torch.bfloat16, precision == BF16)
        self.module = peer.layer(torch, layer.module)
        self.parameters = list(self.module.parameters())
        self.input = torch.from_numpy(layer.input.copy())
        if precision == BF16 and INPUT in layer.passes:
            self.input = self.input.to(torch.bfloat16)
        self.grad_output = torch.from_numpy(grad_output)

    def run(self, of: str) -> tuple[float, list[np.ndarray]]:
        """Seconds of one pass, and the arrays that it computed."""
        self.input.requires_grad_(of != WEIGHT)
        for parameter in self.parameters:
            parameter.requires_grad_(of != INPUT)
        started = time.perf_counter()
        with self.autocast():
            output = self.module(self.input)
        if of == FORWARD:
            return time.perf_counter() - started, [output.detach().float().numpy()]
        leaves = [self.input] if of == INPUT else self.parameters
        grad_output = self.grad_output.to(output.dtype)
        started = time.perf_counter()
        gradients = self.torch.autograd.grad(output, leaves, grad_output)
        return time.perf_counter() - started, [gradient.float().numpy() for gradient in gradients]
