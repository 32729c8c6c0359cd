"""The layers: each holds its parameters and calls one function of `minigrad.functional`.

Weights and biases are initialized as in PyTorch, uniform in +-1 / sqrt(fan_in). A network may
initialize them otherwise (see `alexnet/model/`).
"""

import math
from typing import Any

import numpy as np

from minigrad import functional as F
from minigrad.checks import Pair, pair
from minigrad.kernels import conv2d, max_pool2d
from minigrad.kernels.shared.shapes import extent
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter
from minigrad.tensor import Tensor

Shape4 = tuple[int, int, int, int]


class Conv2d(Module):
    """`functional.conv2d` with a learnable weight (out, in / groups, KH, KW) and bias (out,)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: in_channels ({in_channels}) and out_channels ({out_channels}) must be "
                f"divisible by groups ({groups})"
            )
        KH, KW = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding = (KH, KW), stride, padding
        self.dilation, self.groups = dilation, groups
        self.weight = _weight((out_channels, in_channels // groups, KH, KW))
        self.bias = _bias(self.weight) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        parameters = self.stride, self.padding, self.dilation, self.groups
        return F.conv2d(input, self.weight, self.bias, *parameters)

    def output_shape(self, input_shape: Shape4) -> Shape4:
        """(N, out_channels, OH, OW) for an input (N, C, H, W); ValueError if it does not fit."""
        stride = pair("Conv2d", "stride", self.stride, 1)
        dilation = pair("Conv2d", "dilation", self.dilation, 1)
        if self.padding == "same":
            covered, padding = (1, 1), (0, 0)
        else:
            covered = extent(self.kernel_size, dilation)
            padding = pair("Conv2d", "padding", 0 if self.padding == "valid" else self.padding, 0)
        weight_shape = *self.weight.shape[:2], *covered
        return conv2d.output_shape(input_shape, weight_shape, stride, padding, self.groups)

    def describe(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, "
            + ("" if self.dilation in (1, (1, 1)) else f"dilation={self.dilation}, ")
            + f"groups={self.groups}"
        )


class Linear(Module):
    """`functional.linear` with a learnable weight (out, in) and bias (out,)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features, self.out_features = in_features, out_features
        self.weight = _weight((out_features, in_features))
        self.bias = _bias(self.weight) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def describe(self) -> str:
        return f"{self.in_features}, {self.out_features}"


def _weight(shape: tuple[int, ...]) -> Parameter:
    bound = 1 / math.sqrt(init.fans(shape)[0])
    weight = Parameter(np.empty(shape, np.float32))
    init.uniform_(weight, -bound, bound)
    return weight


def _bias(weight: Parameter) -> Parameter:
    bound = 1 / math.sqrt(init.fans(weight.shape)[0])
    bias = Parameter(np.empty(weight.shape[:1], np.float32))
    init.uniform_(bias, -bound, bound)
    return bias


class _Pool2d(Module):
    dilation: Pair = 1

    def __init__(self, kernel_size: Pair, stride: Pair | None, padding: Pair, ceil_mode: bool):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def output_shape(self, input_shape: Shape4) -> Shape4:
        """(N, C, OH, OW) for an input (N, C, H, W); ValueError if the window does not fit."""
        name = type(self).__name__
        kernel_size = pair(name, "kernel_size", self.kernel_size, 1)
        return max_pool2d.output_shape(
            input_shape,
            extent(kernel_size, pair(name, "dilation", self.dilation, 1)),
            pair(name, "stride", self.stride, 1),
            pair(name, "padding", self.padding, 0),
            name,
            self.ceil_mode,
        )

    def describe(self) -> str:
        window = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        dilation = "" if self.dilation in (1, (1, 1)) else f", dilation={self.dilation}"
        return window + dilation + (", ceil_mode=True" if self.ceil_mode else "")


class MaxPool2d(_Pool2d):
    """`functional.max_pool2d`."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        *,
        ceil_mode: bool = False,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = dilation

    def forward(self, input: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return F.max_pool2d(input, *window)


class AvgPool2d(_Pool2d):
    """`functional.avg_pool2d`."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return F.avg_pool2d(input, *window, self.count_include_pad, self.divisor_override)

    def describe(self) -> str:
        divisor = self.divisor_override
        return (
            super().describe()
            + ("" if self.count_include_pad else ", count_include_pad=False")
            + ("" if divisor is None else f", divisor_override={divisor}")
        )


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d`: mean over a grid of windows, whatever the input size."""

    def __init__(self, output_size: int | None | tuple[int | None, int | None]):
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def describe(self) -> str:
        return f"output_size={self.output_size}"


class LocalResponseNorm(Module):
    """`functional.local_response_norm`; alpha is divided by size, as in PyTorch."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def describe(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class Dropout(Module):
    """`functional.dropout`, active in training only."""

    def __init__(self, p: float = 0.5):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be in [0, 1), got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)

    def describe(self) -> str:
        return f"p={self.p}"


class ReLU(Module):
    """`functional.relu`."""

    def __init__(self, inplace: bool = False):
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def describe(self) -> str:
        return "inplace" if self.inplace else ""


class Tanh(Module):
    """`functional.tanh`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Sigmoid(Module):
    """`functional.sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Flatten(Module):
    """`functional.flatten`: (N, ...) to (N, product of the rest) by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)


class CrossEntropyLoss(Module):
    """`functional.cross_entropy`; the class weights are no parameter of the layer."""

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        self.weight = weight
        self.ignore_index, self.reduction = ignore_index, reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
