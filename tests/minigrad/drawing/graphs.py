"""Graphs of many forms, as tensors with the names of leaves."""

import random

import numpy as np

import minigrad as mg
from alexnet.model import ARCHITECTURES
from minigrad import functional as F


class Join(mg.Function):
    """The sum of any number of inputs, in one operation."""

    @staticmethod
    def forward(ctx, *inputs):
        return np.sum(inputs, axis=0)

    @staticmethod
    def backward(ctx, grad_output):
        return tuple(grad_output for _ in ctx.needs_input_grad)


def leaf(*shape, requires_grad=True, dtype=np.float32):
    return mg.Tensor(np.ones(shape, dtype), requires_grad)


def small():
    w, x, b = leaf(3), leaf(3, requires_grad=False), leaf(3)
    return (w * x + b).relu().sum(), {"w": w, "x": x, "b": b}


def chain():
    output = leaf(4)
    for _ in range(30):
        output = output.tanh()
    return output, {}


def diamond():
    input = leaf(3).exp()
    return input.tanh() * input.sigmoid(), {}


def residual():
    output = leaf(1, 4, 6, 6, requires_grad=False)
    weights = [leaf(4, 4, 3, 3) for _ in range(4)]
    for first, second in (weights[:2], weights[2:]):
        branch = F.conv2d(F.relu(F.conv2d(output, first, padding=1)), second, padding=1)
        output = F.relu(branch + output)
    return output.mean(), {f"weight {i}": weight for i, weight in enumerate(weights)}


def shared_leaf():
    weight = leaf(3)
    return ((weight * weight).exp() + weight).sum() - weight.tanh().log().sum(), {"w": weight}


def concatenation():
    input = leaf(2)
    parts = [(input * float(i)).tanh() for i in range(5)]
    return F.concatenate(parts).sum(), {}


def concatenated_leaves():
    return F.concatenate([leaf(2) for _ in range(5)]).sum(), {}


def recurrent():
    weight, state = leaf(3, 3), leaf(1, 3, requires_grad=False)
    for _ in range(6):
        state = F.tanh(state @ weight + leaf(1, 3, requires_grad=False) @ weight)
    return state.sum(), {"weight": weight}


def network(architecture, image_size, **options):
    model = ARCHITECTURES[architecture](num_classes=10, image_size=image_size, **options)
    images = mg.Tensor(np.random.default_rng(0).random((1, 3, image_size, image_size), np.float32))
    loss = F.cross_entropy(model(images), np.array([1]), label_smoothing=0.1)
    return loss, {**dict(model.named_parameters()), "images": images}


def alexnet():
    return network("alexnet", 67, width=0.05)


def cifar():
    return network("cifar", 32)


def at_random(seed):
    """Operations with one to four inputs each, any of those before them; leaves between them."""
    rng = random.Random(seed)
    tensors = [leaf(2)]
    for _ in range(rng.randint(5, 40)):
        few = tensors[-rng.choice((2, 6, len(tensors))) :]
        inputs = [rng.choice(few) for _ in range(rng.randint(1, 4))]
        inputs += [leaf(2, requires_grad=False) for _ in range(rng.choice((0, 0, 0, 1, 3)))]
        rng.shuffle(inputs)
        tensors.append(Join.apply(*inputs))
    return Join.apply(*tensors[-3:]), {}


def with_wide_letters():
    weight = leaf(2)
    return weight.exp(), {"卷积层的权重参数 🙂🙂🙂 <&>": weight}


GRAPHS = {
    function.__name__: function
    for function in (
        *(small, chain, diamond, residual, shared_leaf, concatenation, concatenated_leaves),
        *(recurrent, alexnet, cifar, with_wide_letters),
    )
}
for seed in range(30):
    GRAPHS[f"random {seed}"] = lambda seed=seed: at_random(seed)
