"""Checks of the arguments of `minigrad.functional`, with one wording for each kind of mistake.

Each takes the name of the operation for its message, and returns the argument in the form that
the operation needs.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from minigrad import backend
from minigrad.autograd import Differentiable, is_grad_enabled
from minigrad.kernels import conv2d, max_pool2d
from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.shapes import extent
from minigrad.tensor import FLOAT_TYPES, Dim, Tensor, require_no_mask

Pair = int | tuple[int, int]


def tensor(operation: str, name: str, value: Any) -> Tensor:
    """`value` if it is a tensor, of whatever type."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{operation}: {name} must be a Tensor, got {type(value).__name__}")
    return value


def float_tensor(operation: str, name: str, value: Any, ndim: int | None = None) -> Tensor:
    """`value` if it is a float tensor with `ndim` dimensions."""
    tensor(operation, name, value)
    if value.dtype not in FLOAT_TYPES and not _is_bfloat16(value):
        raise TypeError(f"{operation}: {name} is {value.dtype}, expected float32 or float64")
    if ndim is not None and value.ndim != ndim:
        raise ValueError(f"{operation}: {name} has shape {value.shape}, expected {ndim} dimensions")
    return value


def _is_bfloat16(tensor: Tensor) -> bool:
    """Whether it is what a convolution on a GPU gives within `autocast`."""
    return tensor.dtype in bfloat16.TYPES and tensor.device != "cpu"


def images(operation: str, input: Any) -> Tensor:
    """`input` if it is a batch of images (N, C, H, W); only N may be 0."""
    if isinstance(input, Tensor) and input.ndim != 4:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, expected (N, C, H, W) or (C, H, W)"
        )
    float_tensor(operation, "input", input)
    if 0 in input.shape[1:]:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, expected at least one channel and pixel"
        )
    return input


def same_type(operation: str, input: Tensor, name: str, other: Tensor) -> None:
    """Raise TypeError unless `other` has the dtype and the device of the input.

    Images of bfloat16 count as float32, beside which they are computed.
    """
    types = [np.dtype(np.float32) if _is_bfloat16(x) else x.dtype for x in (input, other)]
    if types[0] != types[1]:
        raise TypeError(
            f"{operation}: {name} is {other.dtype}, expected {input.dtype} as the input; "
            "convert one with .to(dtype)"
        )
    same_device(operation, input, name, other)


def same_device(operation: str, input: Tensor, name: str, other: Tensor) -> None:
    """Raise TypeError unless `other` is on the device of the input."""
    if other.device != input.device:
        raise TypeError(
            f"{operation}: {name} is on {other.device}, expected {input.device} as the input"
        )


def may_be_overwritten(operation: str, input: Tensor) -> None:
    """Refuse to overwrite a leaf that requires a gradient while operations are recorded.

    Also by way of a view of it: the result of `reshape`, `permute` or a slice.
    """
    viewed: Differentiable = input
    while viewed._node is not None:
        shares_memory = backend.backend_of(viewed.data).may_share_memory
        bases = [x for x in viewed._node.inputs if shares_memory(x.data, viewed.data)]
        if not bases:
            return
        viewed = bases[0]
    if viewed.requires_grad and is_grad_enabled():
        a_view_of = "" if viewed is input else "a view of "
        raise RuntimeError(
            f"{operation}: inplace=True would overwrite {a_view_of}a leaf that requires a "
            "gradient: use inplace=False"
        )


def _is_integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, numbers.Integral)


def pair(operation: str, name: str, value: Any, minimum: int) -> tuple[int, int]:
    """(vertical, horizontal), from a pair or from one integer for both."""
    pair = (value, value) if _is_integer(value) else value
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(_is_integer(size) and size >= minimum for size in pair)
    ):
        raise ValueError(
            f"{operation}: {name} must be an integer of at least {minimum} or a pair of them, "
            f"got {value!r}"
        )
    return int(pair[0]), int(pair[1])


def axes(operation: str, input: Tensor, dim: Dim) -> tuple[int, ...]:
    """Non-negative dimensions to reduce over; None, () and [] mean all, as in PyTorch."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(input.ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    if input.ndim == 0 and all(_is_integer(d) and d in (0, -1) for d in dims):
        return ()  # one number is reduced like one element
    axes = tuple(dimension(operation, input, d) for d in dims)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{operation}: dim {dim} names a dimension twice")
    return axes


def nonempty(operation: str, input: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions to reduce over, of which none may be empty."""
    for axis in axes:
        if input.shape[axis] == 0:
            raise ValueError(
                f"{operation}: input has shape {input.shape}, expected at least one element "
                f"in dim {axis}"
            )
    return axes


def dimension(operation: str, input: Tensor, dim: Any) -> int:
    """The number of a dimension from 0, given from the first (0) or from the last (-1)."""
    if not _is_integer(dim) or not -input.ndim <= dim < input.ndim:
        raise ValueError(f"{operation}: dim {dim} does not exist in shape {input.shape}")
    return int(dim) % input.ndim


class Arguments(NamedTuple):
    """The valid arguments of a `Function`: its tensors, and what it takes by keyword."""

    inputs: tuple[Tensor, ...]
    parameters: dict[str, Any]


def linear_inputs(
    operation: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """(input, weight), and the bias if there is one."""
    float_tensor(operation, "input", input)
    same_type(operation, input, "weight", float_tensor(operation, "weight", weight, ndim=2))
    _not_empty(operation, weight)
    if input.ndim == 0 or weight.shape[1] != input.shape[-1]:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, expected (..., {weight.shape[1]}) "
            f"for weight shape {weight.shape}"
        )
    return input, weight, *_optional_bias(operation, input, weight, bias)


def _optional_bias(
    operation: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    if bias is None:
        return ()
    same_type(operation, input, "bias", float_tensor(operation, "bias", bias))
    if bias.shape != weight.shape[:1]:
        raise ValueError(
            f"{operation}: bias has shape {bias.shape}, expected {weight.shape[:1]} "
            f"for weight shape {weight.shape}"
        )
    return (bias,)


def matmul_inputs(operation: str, input: Tensor, other: Tensor) -> None:
    """Raise unless these can be multiplied: matrices, vectors, or batches that broadcast."""
    float_tensor(operation, "input", input)
    same_type(operation, input, "other", float_tensor(operation, "other", other))
    rows = other.shape[-2:][0] if other.ndim else None
    try:
        fits = input.ndim > 0 and input.shape[-1] == rows
        np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{operation}: other has shape {other.shape}, which does not fit input shape "
            f"{input.shape}: expected (..., n, k) @ (..., k, m), or a vector (k,) for either"
        )


def conv2d_weight(operation: str, input: Tensor, weight: Tensor) -> None:
    """Raise TypeError or ValueError unless these are images and filters."""
    images(operation, input)
    same_type(operation, input, "weight", float_tensor(operation, "weight", weight, ndim=4))
    _not_empty(operation, weight)


def _not_empty(operation: str, weight: Tensor) -> None:
    if weight.numel() == 0:
        raise ValueError(f"{operation}: weight of shape {weight.shape} is empty")


def padding_by_name(
    operation: str, padding: str, kernel_size: tuple[int, ...], stride: Pair, dilation: Pair
) -> list[tuple[int, int]]:
    """(before, after) in height and width of padding="valid" or "same"."""
    if padding not in ("valid", "same"):
        raise ValueError(
            f"{operation}: padding must be 'valid', 'same', an integer or a pair, got {padding!r}"
        )
    if padding == "same" and pair(operation, "stride", stride, 1) != (1, 1):
        raise ValueError(f"{operation}: padding='same' needs stride 1, got {stride}")
    gaps = pair(operation, "dilation", dilation, 1)
    totals = [gap * (size - 1) if padding == "same" else 0 for gap, size in zip(gaps, kernel_size)]
    return [(total // 2, total - total // 2) for total in totals]


def conv2d_arguments(
    operation: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: tuple[int, int],
    groups: int,
) -> Arguments:
    """The arguments of a convolution, with the shape of its output."""
    conv2d_weight(operation, input, weight)
    window = pair(operation, "stride", stride, 1), pair(operation, "padding", padding, 0)
    if not _is_integer(groups) or groups < 1:
        raise ValueError(f"{operation}: groups must be an integer of at least 1, got {groups!r}")
    weight_shape = *weight.shape[:2], *extent((weight.shape[2], weight.shape[3]), dilation)
    output_shape = conv2d.output_shape(input.shape, weight_shape, *window, groups)
    inputs = (input, weight, *_optional_bias(operation, input, weight, bias))
    return Arguments(
        inputs,
        {
            "stride": window[0],
            "padding": window[1],
            "groups": groups,
            "output_shape": output_shape,
        },
    )


def pool2d_arguments(
    operation: str,
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> dict[str, Any]:
    """The keyword arguments of pooling, with the shape of its output."""
    images(operation, input)
    kernel_size = pair(operation, "kernel_size", kernel_size, 1)
    stride = kernel_size if stride is None else pair(operation, "stride", stride, 1)
    padding = pair(operation, "padding", padding, 0)
    covered = extent(kernel_size, pair(operation, "dilation", dilation, 1))
    N, C, H, W = input.shape
    output_shape = max_pool2d.output_shape(
        (N, C, H, W), covered, stride, padding, operation, ceil_mode
    )
    return {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "output_shape": output_shape,
    }


def output_size(operation: str, value: Any, size: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) from a pair or one number for both; None is that of the input's `size`."""
    sizes = value if isinstance(value, (tuple, list)) else (value, value)
    known = [own if given is None else given for given, own in zip(sizes, size)]
    return pair(operation, "output_size", known if len(sizes) == 2 else value, 1)


def divisor(operation: str, value: Any) -> int:
    """What sums over windows are divided by."""
    if not _is_integer(value) or value == 0:
        raise ValueError(
            f"{operation}: divisor_override must be an integer other than 0, got {value!r}"
        )
    return int(value)


def local_response_norm_arguments(
    operation: str, input: Tensor, size: int, alpha: float, beta: float, k: float
) -> dict[str, Any]:
    """The keyword arguments of local response normalization."""
    if float_tensor(operation, "input", input).ndim < 3:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, expected at least 3 dimensions"
        )
    if not _is_integer(size) or size < 1:
        raise ValueError(f"{operation}: size must be an integer >= 1, got {size!r}")
    if not k > 0 or not alpha >= 0:
        raise ValueError(f"{operation}: need k > 0 and alpha >= 0, got {k=}, {alpha=}")
    return {"size": int(size), "alpha": float(alpha), "beta": float(beta), "k": float(k)}


def float_dtype(dtype: Any) -> np.dtype:
    """float32 or float64 as a NumPy dtype."""
    try:
        if np.dtype(dtype) in FLOAT_TYPES:
            return np.dtype(dtype)
    except TypeError:
        pass
    raise TypeError(f"to: expected 'cpu', 'cuda', float32 or float64, got {dtype!r}")


def sizes(operation: str, input: Tensor, sizes: tuple) -> tuple[int, ...]:
    """A new shape for the same elements, given size by size or as a tuple."""
    tensor(operation, "input", input)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    known = math.prod(size for size in sizes if size != -1)
    unknown = sizes.count(-1)
    fits = known == input.numel() if not unknown else known and input.numel() % known == 0
    if unknown > 1 or not fits or any(size < -1 for size in sizes):
        raise ValueError(f"{operation}: shape {input.shape} does not fit into {sizes}")
    return sizes


def index_part(input: Tensor, part: Any) -> Any:
    """One part of an index: an array for whatever is not an integer, a slice, None or an ellipsis.

    Arrays are copied: `backward` needs the index that `forward` used, whatever becomes of it.
    """
    if part is None or part is Ellipsis or isinstance(part, (int, slice, np.integer)):
        return part
    require_no_mask("getitem: an index", part)
    part = part.data if isinstance(part, Tensor) else part
    device = backend.backend_of(input.data)
    if isinstance(part, device.xp.ndarray):
        return part.copy()
    return device.asarray(np.array(part, np.intp if np.size(part) == 0 else None))


def joined_dimension(operation: str, inputs: Sequence[Tensor], dim: int) -> int:
    """The dimension along which tensors are joined; their other sizes agree."""
    if not inputs:
        raise ValueError(f"{operation}: expected at least one tensor")
    first = tensor(operation, "inputs[0]", inputs[0])
    axis = dimension(operation, first, dim)
    for i, other in enumerate(inputs[1:], start=1):
        name = f"inputs[{i}]"
        same_type(operation, first, name, tensor(operation, name, other))
        expected = first.shape[:axis] + first.shape[axis + 1 :]
        if other.ndim != first.ndim or other.shape[:axis] + other.shape[axis + 1 :] != expected:
            raise ValueError(
                f"{operation}: {name} has shape {other.shape}, expected {first.shape} "
                f"except in dim {axis}"
            )
    return axis


def pad_widths(operation: str, input: Tensor, pad: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(before, after) of every dimension, from PyTorch's order that begins with the last one."""
    float_tensor(operation, "input", input)
    valid = all(_is_integer(size) and size >= 0 for size in pad)
    if len(pad) % 2 or len(pad) > 2 * input.ndim or not valid:
        raise ValueError(
            f"{operation}: pad must hold two sizes of at least 0 for each of up to {input.ndim} "
            f"dimensions, got {tuple(pad)}"
        )
    widths = [(0, 0)] * input.ndim
    for i in range(len(pad) // 2):
        widths[-1 - i] = (int(pad[2 * i]), int(pad[2 * i + 1]))
    return tuple(widths)
