"""Modules made of modules: `Sequential`, and `Fused` for two layers in one operation."""

from collections.abc import Callable, Iterator

from minigrad import functional as F
from minigrad.nn.layers import Conv2d, LocalResponseNorm, MaxPool2d, ReLU
from minigrad.nn.module import Module
from minigrad.tensor import Tensor


def _conv2d_relu(input: Tensor, conv: Conv2d, relu: ReLU) -> Tensor:
    parameters = conv.stride, conv.padding, conv.dilation, conv.groups
    return F.conv2d_relu(input, conv.weight, conv.bias, *parameters)


def _local_response_norm_max_pool2d(
    input: Tensor, norm: LocalResponseNorm, pool: MaxPool2d
) -> Tensor:
    parameters = norm.size, norm.alpha, norm.beta, norm.k
    window = pool.kernel_size, pool.stride, pool.padding, pool.dilation
    return F.local_response_norm_max_pool2d(input, *parameters, *window, ceil_mode=pool.ceil_mode)


_OPERATIONS: dict[tuple[type[Module], type[Module]], Callable[..., Tensor]] = {
    (Conv2d, ReLU): _conv2d_relu,
    (LocalResponseNorm, MaxPool2d): _local_response_norm_max_pool2d,
}


class Fused(Module):
    """Two layers computed by one operation, which does not keep the array between them.

    The result is that of the two layers one after the other, bit for bit. There are operations for
    `Conv2d` with `ReLU` and for `LocalResponseNorm` with `MaxPool2d`.

    Attributes:
        layers: the two layers. Applied by themselves, they give the array between them.

    Raises:
        TypeError: there is no operation for these two, or one of them is of a derived class,
            which may compute something else.
    """

    def __init__(self, first: Module, second: Module):
        types = type(first), type(second)
        if types not in _OPERATIONS:
            known = ", ".join(f"{a.__name__} with {b.__name__}" for a, b in _OPERATIONS)
            raise TypeError(
                f"Fused: no operation computes {types[0].__name__} with {types[1].__name__}; "
                f"there are operations for {known}"
            )
        self.layers = first, second

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((str(index), layer) for index, layer in enumerate(self.layers))

    def forward(self, input: Tensor) -> Tensor:
        first, second = self.layers
        return _OPERATIONS[type(first), type(second)](input, first, second)

    def __repr__(self) -> str:
        return f"Fused({', '.join(map(repr, self.layers))})"


class Sequential(Module):
    """Modules applied one after the other.

    The layers are named "0", "1", ... Those of a `Fused` count one by one, so that a network has
    the same names of layers and parameters with and without it.

    Attributes:
        steps: the modules as they are applied: a `Fused` is one step.
    """

    def __init__(self, *modules: Module):
        self.steps = modules

    def __iter__(self) -> Iterator[Module]:
        """The layers one by one."""
        for step in self.steps:
            yield from step.layers if isinstance(step, Fused) else (step,)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((str(index), layer) for index, layer in enumerate(self))

    def forward(self, input: Tensor) -> Tensor:
        for step in self.steps:
            input = step(input)
        return input

    def _printed_children(self) -> Iterator[tuple[str, Module]]:
        index = 0
        for step in self.steps:
            if isinstance(step, Fused):
                yield f"{index}-{index + 1}", step
                index += 2
            else:
                yield str(index), step
                index += 1
