"""Input without dimensions, of one element and of none: what PyTorch does, and no NumPy warning.

Shape, type, value and gradient, or a refusal on both sides.
"""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = ((), (1,), (1, 1, 1, 1), (0,), (0, 3), (2, 0), (0, 3, 2, 2), (2, 0, 3))

ELEMENTWISE = {
    "negative": lambda f, x: f.negative(x),
    "exp": lambda f, x: f.exp(x),
    "log": lambda f, x: f.log(x),
    "sqrt": lambda f, x: f.sqrt(x),
    "tanh": lambda f, x: f.tanh(x),
    "sigmoid": lambda f, x: f.sigmoid(x),
    "relu": lambda f, x: f.relu(x),
    **{f"pow {n}": lambda f, x, n=n: f.pow(x, n) for n in (-1, 0, 0.5, 1, 2)},
    "number to the power": lambda f, x: 2**x,
    "power of itself": lambda f, x: f.pow(x, x),
    **{
        f"{name} {label}": lambda f, x, name=name, other=other: getattr(f, name)(x, other(x))
        for name in ("add", "subtract", "multiply", "divide")
        for label, other in (
            ("itself", lambda x: x),
            ("number", lambda x: 3.0),
            ("broadcast", lambda x: x.reshape(1, *x.shape)),
        )
    },
}
REDUCTIONS = {
    f"{name} {dim=} {keepdim=}": lambda f, x, name=name, dim=dim, keepdim=keepdim: getattr(f, name)(
        x, dim, keepdim
    )
    for name in ("sum", "mean", "max")
    for dim in (None, (), [], 0, -1, 1, (0, 1))
    for keepdim in (False, True)
}
SHAPE = {
    "reshape -1": lambda f, x: x.reshape(-1),
    "reshape ()": lambda f, x: x.reshape(()),
    "reshape (1, 1)": lambda f, x: x.reshape(1, 1),
    "reshape (0, 5)": lambda f, x: x.reshape(0, 5),
    "reshape (-1, 3)": lambda f, x: x.reshape(-1, 3),
    "reshape (0, -1)": lambda f, x: x.reshape(0, -1),
    "flatten": lambda f, x: f.flatten(x),
    "flatten -1": lambda f, x: f.flatten(x, -1),
    "flatten 0, 0": lambda f, x: f.flatten(x, 0, 0),
    "permute": lambda f, x: x.permute(tuple(reversed(range(x.ndim)))),
    "transpose 0, -1": lambda f, x: f.transpose(x, 0, -1),
    "transpose 0, 1": lambda f, x: f.transpose(x, 0, 1),
    "concatenate": lambda f, x: f.concatenate([x, x], 0),
    "pad": lambda f, x: f.pad(x, (1, 2)),
    "pad nothing": lambda f, x: f.pad(x, ()),
    "getitem ...": lambda f, x: x[...],
    "getitem None": lambda f, x: x[None],
    "getitem 0": lambda f, x: x[0],
    "getitem 0:0": lambda f, x: x[0:0],
    "getitem no rows": lambda f, x: x[[]],
    "getitem of an empty mask": lambda f, x: x[x != x],
    "getitem of a mask": lambda f, x: x[x == x],
}
CASES = {**ELEMENTWISE, **REDUCTIONS, **SHAPE}


class FunctionsOfTorch:
    """PyTorch's functions by the names of minigrad.functional."""

    def __init__(self, torch):
        self.torch = torch
        self.pad = torch.nn.functional.pad

    def __getattr__(self, name):
        return getattr(self.torch, name)

    def max(self, x, dim, keepdim):
        return self.torch.amax(x, () if dim is None else dim, keepdim)

    def mean(self, x, dim, keepdim):
        return self.torch.mean(x, dim, keepdim)


def result(function, functions, x, refusals):
    """The output and the gradient of the input, or None where the function refuses."""
    try:
        output = function(functions, x)
    except refusals:
        return None
    (output * 2.0).sum().backward()
    return output, x.grad


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", CASES)
def test_equals_pytorch(name, device, torch, cuda):
    refused = []
    for shape in SHAPES:
        array = np.full(shape, 0.7, np.float32)
        x = mg.Tensor(backend.get(device).asarray(array), requires_grad=True)
        y = torch.tensor(array, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours = result(CASES[name], F, x, (ValueError, IndexError))
        theirs = result(CASES[name], FunctionsOfTorch(torch), y, (RuntimeError, IndexError))
        assert (ours is None) == (theirs is None), shape
        if ours is None or theirs is None:
            refused.append(shape)
            continue
        for own, other in zip(ours, theirs):
            assert own.shape == other.shape and own.dtype == np.float32, shape
            np.testing.assert_allclose(own.numpy(), other.detach().numpy(), rtol=1e-6)
    assert name not in ELEMENTWISE or not refused


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_concatenate_with_nothing(device, cuda):
    asarray = backend.get(device).asarray
    x, nothing = (
        mg.Tensor(asarray(np.ones(shape, np.float32)), requires_grad=True)
        for shape in ((2, 3), (0, 3))
    )
    F.concatenate([nothing, x, nothing]).sum().backward()
    assert x.grad.numpy().tolist() == [[1, 1, 1], [1, 1, 1]] and nothing.grad.shape == (0, 3)
