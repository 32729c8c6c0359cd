"""The public operations. Every argument is checked here, before any kernel runs.

Names, argument order and meaning are PyTorch's. A shape that does not fit raises ValueError,
a wrong type raises TypeError; the message names the operation and the argument, and says what was
passed and what was expected. Tensors of one operation share one float dtype: nothing is converted
silently, but for the images of bfloat16 that `autocast` makes on a GPU.
"""

import functools
import math
import numbers
from collections.abc import Callable
from typing import Any

from minigrad import backend, checks, loss_checks, operand_checks
from minigrad.autocast import autocast
from minigrad.autograd import Function
from minigrad.checks import Pair
from minigrad.ops import conv, elementwise, loss, normalization, pool, reduce, shape
from minigrad.ops import dropout as dropout_ops
from minigrad.ops import matmul as matmul_ops
from minigrad.ops.dilation import by_remainders
from minigrad.random import random_keys
from minigrad.tensor import Dim, Tensor

__all__ = [
    "adaptive_avg_pool2d", "add", "avg_pool2d", "concatenate", "conv2d", "conv2d_relu",
    "cross_entropy", "divide", "dropout", "exp", "flatten", "getitem", "linear",
    "local_response_norm", "local_response_norm_max_pool2d", "log", "log_softmax", "matmul", "max",
    "max_pool2d", "mean", "multiply", "negative", "pad", "permute", "pow", "relu", "reshape",
    "sigmoid", "softmax", "sqrt", "subtract", "sum", "tanh", "to", "transpose",
]  # fmt: skip

# -- elementwise --------------------------------------------------------------------------


def add(input: Tensor, other: Any) -> Tensor:
    """input + other, broadcast."""
    return elementwise.Add.apply(*operand_checks.operands("add", input, other))


def subtract(input: Tensor, other: Any) -> Tensor:
    """input - other, broadcast."""
    return elementwise.Subtract.apply(*operand_checks.operands("subtract", input, other))


def multiply(input: Tensor, other: Any) -> Tensor:
    """input * other, broadcast."""
    return elementwise.Multiply.apply(*operand_checks.operands("multiply", input, other))


def divide(input: Tensor, other: Any) -> Tensor:
    """input / other, broadcast."""
    return elementwise.Divide.apply(*operand_checks.operands("divide", input, other))


def negative(input: Tensor) -> Tensor:
    """-input."""
    return elementwise.Negative.apply(checks.float_tensor("negative", "input", input))


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, broadcast; one of the two is a Tensor, the other may be a number.

    With respect to the input the derivative is 0 where the exponent is 0; with respect to the
    exponent it is 0 where the input is 0 and the exponent at least 0, and NaN where the input is
    negative.
    """
    if isinstance(input, Tensor) and isinstance(exponent, numbers.Real):
        input = checks.float_tensor("pow", "input", input)
        return elementwise.Power.apply(input, exponent=operand_checks.exponent("pow", exponent))
    return elementwise.TensorPower.apply(
        *operand_checks.operands("pow", input, exponent, "exponent")
    )


def exp(input: Tensor) -> Tensor:
    """e ** input."""
    return elementwise.Exp.apply(checks.float_tensor("exp", "input", input))


def log(input: Tensor) -> Tensor:
    """Natural logarithm."""
    return elementwise.Log.apply(checks.float_tensor("log", "input", input))


def sqrt(input: Tensor) -> Tensor:
    """Square root."""
    return elementwise.Sqrt.apply(checks.float_tensor("sqrt", "input", input))


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return elementwise.Tanh.apply(checks.float_tensor("tanh", "input", input))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e ** -input)."""
    return elementwise.Sigmoid.apply(checks.float_tensor("sigmoid", "input", input))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0), with derivative 0 at 0 (paper, section 3.1).

    Args:
        inplace: overwrite the memory of `input`, if its memory format allows that. An operation
            that needs the lost values for its gradient raises RuntimeError in `backward`.

    Raises:
        RuntimeError: `inplace` on a leaf that requires a gradient.
    """
    checks.float_tensor("relu", "input", input)
    if inplace:
        checks.may_be_overwritten("relu", input)
    return elementwise.ReLU.apply(input, inplace=inplace)


def to(input: Tensor, target: Any) -> Tensor:
    """The tensor on another device ("cpu", "cuda") or in a float type.

    Without a change it is `input` itself. The gradient has the device and the type of `input`.
    """
    if isinstance(target, str) and target in ("cpu", "cuda"):
        return input if target == input.device else shape.ToDevice.apply(input, device=target)
    checks.tensor("to", "input", input)
    dtype = checks.float_dtype(target)
    return input if dtype == input.dtype else elementwise.Cast.apply(input, dtype=dtype)


# -- reductions ---------------------------------------------------------------------------


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Sum over `dim` (all dimensions by default); of no elements it is 0."""
    axis = checks.axes("sum", checks.float_tensor("sum", "input", input), dim)
    return reduce.Sum.apply(input, axis=axis, keepdim=keepdim)


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Mean over `dim` (all dimensions by default); of no elements it is NaN."""
    axis = checks.axes("mean", checks.float_tensor("mean", "input", input), dim)
    return reduce.Mean.apply(input, axis=axis, keepdim=keepdim)


def max(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Maximum over `dim` (all dimensions by default); ties share the gradient (torch.amax).

    Raises:
        ValueError: a dimension to reduce over is empty.
    """
    axis = checks.axes("max", checks.float_tensor("max", "input", input), dim)
    checks.nonempty("max", input, axis)
    return reduce.Max.apply(input, axis=axis, keepdim=keepdim)


# -- shape --------------------------------------------------------------------------------


def reshape(input: Tensor, *sizes: int) -> Tensor:
    """The same elements in another shape; one size may be -1, and follows from the others."""
    return shape.Reshape.apply(input, shape=checks.sizes("reshape", input, sizes))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from `start_dim` to `end_dim` into one."""
    if checks.tensor("flatten", "input", input).ndim == 0:
        input = reshape(input, 1)
    first, last = (checks.dimension("flatten", input, dim) for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    sizes = input.shape
    return reshape(input, *sizes[:first], math.prod(sizes[first : last + 1]), *sizes[last + 1 :])


def permute(input: Tensor, *dims: int) -> Tensor:
    """Reorder the dimensions."""
    if len(dims) == 1 and isinstance(dims[0], (tuple, list)):
        dims = tuple(dims[0])
    axes = tuple(
        checks.dimension("permute", checks.tensor("permute", "input", input), dim) for dim in dims
    )
    if sorted(axes) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} must name each of {input.ndim} dimensions once")
    return shape.Permute.apply(input, dims=axes)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions."""
    dims = list(range(checks.tensor("transpose", "input", input).ndim))
    if not dims and dim0 in (0, -1) and dim1 in (0, -1):
        return input
    first, second = (checks.dimension("transpose", input, dim) for dim in (dim0, dim1))
    dims[first], dims[second] = dims[second], dims[first]
    return shape.Permute.apply(input, dims=tuple(dims))


def getitem(input: Tensor, index: Any) -> Tensor:
    """input[index] with NumPy's indexing: slices, arrays of integers, masks."""
    checks.tensor("getitem", "input", input)
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(checks.index_part(input, part) for part in parts)
    try:
        return shape.GetItem.apply(input, index=parts)
    except IndexError as error:
        raise IndexError(f"getitem: {error} (shape {input.shape})") from None


def concatenate(inputs: list[Tensor] | tuple[Tensor, ...], dim: int = 0) -> Tensor:
    """Join tensors along an existing dimension; the other sizes must agree."""
    axis = checks.joined_dimension("concatenate", inputs, dim)
    return shape.Concatenate.apply(*inputs, dim=axis)


def pad(
    input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Surround the last dimensions with a constant.

    Args:
        pad: (left, right) of the last dimension, then optionally (top, bottom) of the one
            before, and so on; sizes are not negative.
        mode: "constant"; PyTorch's other modes do not exist here.
        value: the constant, 0 by default.
    """
    if mode != "constant":
        raise ValueError(f"pad: mode must be 'constant', got {mode!r}")
    widths = checks.pad_widths("pad", input, pad)
    value = 0.0 if value is None else value
    return shape.Pad.apply(input, widths=widths, value=value) if pad else input


# -- layers -------------------------------------------------------------------------------


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product (..., n, k) @ (..., k, m); leading dimensions broadcast.

    A vector (k,) is a matrix of one row as `input` and of one column as `other`; the output does
    not have this dimension.
    """
    checks.matmul_inputs("matmul", input, other)
    if input.ndim > 1 and other.ndim > 1:
        return matmul_ops.MatMul.apply(input, other)
    row = reshape(input, 1, *input.shape) if input.ndim == 1 else input
    column = reshape(other, *other.shape, 1) if other.ndim == 1 else other
    output = matmul_ops.MatMul.apply(row, column)
    *leading, n, m = output.shape
    return reshape(output, *leading, *[n] * (row is input), *[m] * (column is other))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias.

    Args:
        input: (..., in_features), of any number of dimensions.
        weight: (out_features, in_features).
        bias: (out_features,) or None.

    Returns:
        (..., out_features).
    """
    input, *others = checks.linear_inputs("linear", input, weight, bias)
    if input.ndim == 2:
        return matmul_ops.Linear.apply(input, *others)
    *leading, features = input.shape
    output = matmul_ops.Linear.apply(reshape(input, math.prod(leading), features), *others)
    return reshape(output, *leading, output.shape[-1])


def _takes_one_image(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a function of a batch (N, C, H, W) take one image (C, H, W), and give one then."""

    @functools.wraps(function)
    def call(input: Tensor, *arguments: Any, **parameters: Any) -> Tensor:
        if not isinstance(input, Tensor) or input.ndim != 3:
            return function(input, *arguments, **parameters)
        output = function(reshape(input, 1, *input.shape), *arguments, **parameters)
        return reshape(output, *output.shape[1:])

    return call


@_takes_one_image
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images with learned filters (paper, section 3.5).

    output[n, oc, oh, ow] = bias[oc] + sum over ic, kh, kw of
        weight[oc, ic, kh, kw] * input[n, ic + first channel of the group,
                                       oh * stride + kh * dilation - padding,
                                       ow * stride + kw * dilation - padding]

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        weight: (out_channels, C / groups, KH, KW); out_channels divisible by groups.
        bias: (out_channels,) or None.
        stride, padding, dilation: pixels, an int or a pair (vertical, horizontal); padding is
            zero. padding="valid" is none, "same" is as much as keeps H and W (for stride 1).
        groups: output channels of a group see only the input channels of that group.

    Returns:
        (N, out_channels, (H + 2 padding - dilation (KH - 1) - 1) // stride + 1, likewise for W).
    """
    parameters = stride, padding, dilation, groups
    return _convolve(conv.Conv2d, "conv2d", input, weight, bias, *parameters)


@_takes_one_image
def conv2d_relu(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """relu(conv2d(...)) in one operation, which keeps one array of images less.

    `nn.Fused` of a convolution and a ReLU uses it. Arguments as for `conv2d`.
    """
    parameters = stride, padding, dilation, groups
    return _convolve(conv.Conv2dReLU, "conv2d_relu", input, weight, bias, *parameters)


def _convolve(
    function: type[Function],
    operation: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair | str,
    dilation: Pair,
    groups: int,
) -> Tensor:
    """`conv2d` or `conv2d_relu`, whichever `function` is."""
    dilation = checks.pair(operation, "dilation", dilation, 1)
    if isinstance(padding, str):
        checks.conv2d_weight(operation, input, weight)
        (top, bottom), (left, right) = checks.padding_by_name(
            operation, padding, weight.shape[2:], stride, dilation
        )
        # Kernels pad both sides alike.
        if (top, left) != (bottom, right):
            input = pad(input, (0, right - left, 0, bottom - top))
        padding = top, left
    inputs, parameters = checks.conv2d_arguments(
        operation, input, weight, bias, stride, padding, dilation, groups
    )
    if dilation == (1, 1):
        return function.apply(*inputs, **parameters)
    del parameters["groups"]
    return by_remainders(
        lambda images: _convolve(function, operation, images, weight, bias, 1, 0, 1, groups),
        input,
        **parameters,
        kernel_size=weight.shape[2:],
        dilation=dilation,
        value=0.0,
    )


@_takes_one_image
def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum over windows; they overlap where stride < kernel_size (paper, section 3.4).

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        kernel_size, stride, padding, dilation: pixels, an int or a pair; stride defaults to
            kernel_size; padding is at most half the window and never the maximum; the
            elements of a window are `dilation` pixels apart.
        ceil_mode: round the size of the output up, where the last window holds a pixel.

    Returns:
        (N, C, (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, likewise for
        W). Among equal maxima the first in row-major order receives the gradient.
    """
    window = checks.pool2d_arguments(
        "max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode
    )
    dilation = checks.pair("max_pool2d", "dilation", dilation, 1)
    if dilation == (1, 1):
        return pool.MaxPool2d.apply(input, **window)
    return by_remainders(
        lambda images: max_pool2d(images, kernel_size, 1),
        input,
        **window,
        dilation=dilation,
        value=-math.inf,
    )


@_takes_one_image
def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean over windows.

    Args:
        input, kernel_size, stride, padding, ceil_mode: as for `max_pool2d`.
        count_include_pad: whether padded zeros count as elements.
        divisor_override: what the sum over a window is divided by, instead of the number of
            its elements.
    """
    window = checks.pool2d_arguments(
        "avg_pool2d", input, kernel_size, stride, padding, ceil_mode=ceil_mode
    )
    output = pool.AvgPool2d.apply(input, **window)
    KH, KW = window["kernel_size"]
    if divisor_override is not None:
        return multiply(output, KH * KW / checks.divisor("avg_pool2d", divisor_override))
    if count_include_pad and not ceil_mode:
        return output
    # The kernel divides by KH * KW.
    sides = zip(input.shape[2:], (KH, KW), window["stride"], window["padding"], output.shape[2:])
    heights, widths = (
        pool.window_sizes(*side, count_include_pad=count_include_pad) for side in sides
    )
    return multiply(output, KH * KW / (heights[:, None] * widths))


@_takes_one_image
def adaptive_avg_pool2d(
    input: Tensor, output_size: int | None | tuple[int | None, int | None]
) -> Tensor:
    """Mean over a grid of output_size windows that covers the image, whatever its size.

    Window i of a side runs from floor(i * size / out) to ceil((i + 1) * size / out). The mean
    over rows and columns is two matrix products, in float32 also within `autocast`.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        output_size: an int or a pair; None is the size of the input.

    Returns:
        (N, C, *output_size); the input itself if it has this size.
    """
    H, W = checks.images("adaptive_avg_pool2d", input).shape[2:]
    OH, OW = checks.output_size("adaptive_avg_pool2d", output_size, (H, W))
    if (OH, OW) == (H, W):
        return input
    asarray = backend.backend_of(input.data).asarray
    rows = Tensor(asarray(pool.averaging_matrix(H, OH, input.dtype)))
    columns = Tensor(asarray(pool.averaging_matrix(W, OW, input.dtype)))
    with autocast(enabled=False):
        return matmul(matmul(rows, input), transpose(columns, 0, 1))


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Normalization by the activity of neighboring channels (paper, section 3.3).

    output = input / (k + alpha / size * sum of input^2 over `size` channels around it) ^ beta

    The window of channel c runs from c - size // 2 to c + (size - 1) // 2, cut at the edges.
    As in PyTorch alpha is divided by size; the paper's formula does not divide, so its
    alpha = 1e-4 with size = 5 is alpha = 5e-4 here.

    Args:
        input: (N, C, ...), of at least three dimensions.
    """
    norm = checks.local_response_norm_arguments("local_response_norm", input, size, alpha, beta, k)
    if input.numel() == 0:
        return input
    if input.ndim == 4:
        return normalization.LocalResponseNorm.apply(input, **norm)
    N, C, *positions = input.shape
    pixels = reshape(input, N, C, math.prod(positions), 1)
    return reshape(normalization.LocalResponseNorm.apply(pixels, **norm), *input.shape)


def local_response_norm_max_pool2d(
    input: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """max_pool2d(local_response_norm(...)) in one operation, without the array between them.

    `nn.Fused` of a normalization and a max-pooling uses it. Arguments as for both, but for one
    image. With a dilation or `ceil_mode` there are two operations after all.
    """
    operation = "local_response_norm_max_pool2d"
    if ceil_mode or dilation not in (1, (1, 1)):
        normalized = local_response_norm(input, size, alpha, beta, k)
        return max_pool2d(normalized, kernel_size, stride, padding, dilation, ceil_mode)
    norm = checks.local_response_norm_arguments(operation, input, size, alpha, beta, k)
    window = checks.pool2d_arguments(operation, input, kernel_size, stride, padding)
    return normalization.LocalResponseNormMaxPool2d.apply(input, **norm, **window)


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set elements to zero with probability `p`, scale the others by 1 / (1 - p).

    The paper (section 4.2) instead multiplies by 1 - p at test time; the expectation is the
    same. Without `training` the input is returned. Each call takes the next random key;
    `manual_seed` restarts them. A batch in parts has the mask of the whole batch within
    `minigrad.random.random_keys.part_of_batch`.
    """
    checks.float_tensor("dropout", "input", input)
    if not isinstance(p, numbers.Real) or not 0 <= p < 1:
        raise ValueError(f"dropout: p must be in [0, 1), got {p!r}")
    if not training or p == 0:
        return input
    first = random_keys.first_row * math.prod(input.shape[1:]) if input.ndim else 0
    return dropout_ops.Dropout.apply(input, p=float(p), key=random_keys.next(), first=first)


def softmax(input: Tensor, dim: int = -1) -> Tensor:
    """exp(input) / sum over `dim` of exp(input)."""
    if checks.float_tensor("softmax", "input", input).ndim == 0:
        return reshape(softmax(reshape(input, 1), dim))
    axis = checks.dimension("softmax", input, dim)
    return loss.Softmax.apply(input, dim=axis)


def log_softmax(input: Tensor, dim: int = -1) -> Tensor:
    """Logarithm of `softmax`, without its underflow."""
    if checks.float_tensor("log_softmax", "input", input).ndim == 0:
        return reshape(log_softmax(reshape(input, 1), dim))
    axis = checks.dimension("log_softmax", input, dim)
    return loss.LogSoftmax.apply(input, dim=axis)


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target], the mean over the batch by default.

    Args:
        input: (N, C) unnormalized class scores, also (C,) or (N, C, d1, ...).
        target: integer class labels in [0, C), of the shape of the input without its classes; or
            class probabilities, of the shape of the input. An array or a Tensor.
        weight: (C,), a factor for the loss of each class.
        ignore_index: a label that is not a class: its loss is 0, and the mean leaves it out.
        reduction: "mean", which is weighted where labels have a `weight`; "sum"; or "none".
        label_smoothing: the share of the probability that is spread over all classes, in [0, 1].

    Returns:
        a tensor without dimensions; with reduction "none" one of the shape of the labels. The
        mean of nothing is nan.
    """
    loss_checks.scores("cross_entropy", input, weight, reduction, label_smoothing)
    target = loss_checks.target("cross_entropy", input, target)
    rows = loss.class_rows(input)
    labels: Any = None
    if isinstance(target, Tensor):
        losses = loss.expectation(rows, loss.class_rows(target), weight)
        total: Any = rows.shape[0] or math.nan
    else:
        labels, total = loss_checks.labels("cross_entropy", input, target, ignore_index)
        losses = loss.CrossEntropy.apply(rows, target=labels)
        if weight is not None:
            factors = Tensor(weight.data[labels] * (labels >= 0))
            losses, total = multiply(losses, factors), loss.total_weight(factors)
    if label_smoothing:
        uniform = loss.expectation(rows, loss.uniform(rows), weight)
        if labels is not None:
            uniform = loss.Mask.apply(uniform, kept=labels >= 0)
        losses = losses * (1 - label_smoothing) + uniform * label_smoothing
    if reduction == "none":
        return reshape(losses, *input.shape[:1] * (input.ndim > 1), *input.shape[2:])
    if reduction == "sum":
        return sum(losses)
    return divide(sum(losses), total)
