"""Tensor: an array that knows how to compute gradients.

Its operators, and methods such as `sum`, are functions of `minigrad.functional`: see
minigrad/operators.py.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import backend as backends
from minigrad.autograd import Node, RemovableHandle, run_backward
from minigrad.kernels.shared import bfloat16

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))

Dim = int | tuple[int, ...] | None


class Tensor:
    """An n-dimensional array with an optional gradient.

    Args:
        array: a NumPy (or CuPy) array, which is not copied, or anything `numpy.asarray`
            accepts; Python floats become float32.
        requires_grad: record operations on this tensor so that `backward` fills ``grad``.

    Attributes:
        data: the array. Another one may be assigned, of any shape and device; a tensor that
            requires a gradient takes float arrays only.
        grad: a Tensor of the same shape, type and device after `backward`, or None; its memory is
            its own. Gradients of several `backward` calls accumulate until it is set to None.
    """

    _grad_hooks: Mapping[RemovableHandle, Callable] = MappingProxyType({})  # few tensors have any

    def __init__(self, array: Any, requires_grad: bool = False):
        if isinstance(array, Tensor):
            raise TypeError("Tensor(array) takes an array, got a Tensor: use its .data or detach()")
        if isinstance(array, np.generic) or not hasattr(array, "dtype"):
            array = _as_array(array)
        self.requires_grad = requires_grad
        self.data = array
        self._grad: Tensor | None = None
        self._node: Node | None = None

    # -- properties ---------------------------------------------------------------------

    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        array = _plain_array("Tensor.data", array)
        if self.requires_grad and array.dtype not in FLOAT_TYPES:
            raise TypeError(f"only float tensors can require a gradient, got {array.dtype}")
        self._data = array

    @property
    def grad(self) -> "Tensor | None":
        return self._grad

    @grad.setter
    def grad(self, grad: "Tensor | None") -> None:
        if grad is not None:
            if not isinstance(grad, Tensor):
                raise TypeError(f"Tensor.grad is a Tensor or None, got {type(grad).__name__}")
            if grad.shape != self.shape:
                raise ValueError(f"Tensor.grad has shape {grad.shape}, expected {self.shape}")
            if grad.dtype != self.dtype or grad.device != self.device:
                raise TypeError(
                    f"Tensor.grad is {grad.dtype} on {grad.device}, expected {self.dtype} on "
                    f"{self.device} as the tensor"
                )
        self._grad = grad

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.data.ndim

    @property
    def dtype(self) -> np.dtype:
        """The NumPy type of the elements."""
        return self.data.dtype

    @property
    def T(self) -> "Tensor":
        """The tensor with its dimensions reversed."""
        return self.permute(*reversed(range(self.ndim)))

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was created directly and not by a recorded operation."""
        return self._node is None

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return backends.backend_of(self.data).name

    def numel(self) -> int:
        """The number of elements."""
        return int(self.data.size)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a tensor without dimensions")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a tensor without dimensions")
        return (self[i] for i in range(len(self)))

    def __contains__(self, element: Any) -> bool:
        is_equal = self == element
        return isinstance(is_equal, Tensor) and bool(is_equal.numpy().any())

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        grad = ""
        if self._node is not None:
            grad = f", grad_fn={self._node.function.__name__}"
        elif self.requires_grad:
            grad = ", requires_grad=True"
        return f"tensor({values}{dtype}{grad})"

    def __format__(self, specification: str) -> str:
        if self.ndim and not specification:
            return str(self)
        return format(self.item(), specification)

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take; a graph cannot be shared or stored."""
        if self._node is not None:
            raise RuntimeError(
                "a tensor that an operation has computed cannot be copied or pickled with its "
                "graph: use its detach()"
            )
        return {name: value for name, value in self.__dict__.items() if name != "_grad_hooks"}

    # -- leaving the graph --------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array (the same memory on the CPU), of bfloat16 in float32."""
        return bfloat16.widened(backends.backend_of(self.data).asnumpy(self.data))

    def item(self) -> float | int:
        """The value of a tensor with one element as a Python number."""
        if self.numel() != 1:
            raise ValueError(
                f"a Python number needs a tensor with one element, this one is {self.shape}"
            )
        return self.numpy().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"only integer tensors can be an index, this one is {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false: only one element is"
            )
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """What `numpy.asarray` gives: the same memory, if the type is the same.

        Raises:
            RuntimeError: the tensor requires a gradient, which would be lost.
            TypeError: the tensor is on a GPU.
        """
        self._require_no_grad("to a NumPy array", RuntimeError)
        if self.device != "cpu":
            raise TypeError(f"a tensor on {self.device} becomes a NumPy array by its numpy() only")
        return np.array(self.data, dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """The memory for another library: `numpy.from_dlpack(t)`, `torch.from_dlpack(t)`.

        Raises:
            BufferError: the tensor requires a gradient, which would be lost.
        """
        self._require_no_grad("by DLPack", BufferError)
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()

    def _require_no_grad(self, how: str, error: type[Exception]) -> None:
        if self.requires_grad:
            raise error(
                f"a tensor that requires a gradient is not converted {how}: use its detach()"
            )

    def detach(self) -> "Tensor":
        """The same values, in the same memory, without the graph."""
        return Tensor(self.data)

    # -- gradients ----------------------------------------------------------------------

    def backward(self, gradient: "Tensor | Any | None" = None) -> None:
        """Add the gradient of this tensor to the ``grad`` of every leaf it depends on.

        Args:
            gradient: the gradient of some scalar with respect to this tensor, of the same
                shape and dtype; may be omitted if this tensor has one element.

        Raises:
            RuntimeError: nothing requires a gradient, the graph was already freed by an
                earlier `backward`, or a saved array was changed in place.
            ValueError, TypeError: `gradient` is missing or has another shape or dtype.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward(): this tensor does not depend on anything with requires_grad=True"
            )
        if gradient is None:
            if self.numel() != 1:
                raise ValueError(
                    f"backward() of a tensor of shape {self.shape} needs gradient= of that shape; "
                    "only a tensor with one element has the default gradient 1"
                )
            gradient = backends.backend_of(self.data).xp.ones(self.shape, self.dtype)
        elif isinstance(gradient, Tensor):
            gradient = gradient.data
        if getattr(gradient, "shape", None) != self.shape:
            raise ValueError(
                f"backward(): gradient has shape {np.shape(gradient)}, expected {self.shape}"
            )
        gradient = _plain_array("backward(): gradient", gradient)
        if type(gradient) is not type(self.data):
            raise TypeError(f"backward(): gradient is not on {self.device}, as the tensor is")
        if gradient.dtype != self.dtype:
            raise TypeError(f"backward(): gradient is {gradient.dtype}, expected {self.dtype}")
        if self.is_leaf:  # would keep it as its own
            gradient = backends.backend_of(gradient).xp.array(gradient)
        run_backward(self, gradient)

    def register_post_accumulate_grad_hook(
        self, hook: Callable[["Tensor"], None]
    ) -> RemovableHandle:
        """Call `hook(self)` whenever `backward` has added to the ``grad`` of this leaf.

        The gradient of that backward pass is then complete; a copy of the tensor has no hooks.
        """
        if not (self.is_leaf and self.requires_grad):
            raise RuntimeError("such a hook is for leaves that require a gradient")
        return RemovableHandle(self.__dict__.setdefault("_grad_hooks", {}), hook)

    def _accumulate_grad(self, gradient: Any) -> None:
        if self.grad is not None:
            # They differ where data was replaced since; the sum could broadcast.
            if self.grad.shape != gradient.shape or self.grad.dtype != gradient.dtype:
                raise RuntimeError(
                    f"backward(): this gradient has shape {gradient.shape} and {gradient.dtype}, "
                    f"the one before {self.grad.shape} and {self.grad.dtype}: set grad to None "
                    "when data is replaced by an array of another shape or type"
                )
            gradient = self.grad.data + gradient
        self.grad = Tensor(gradient)

    def _output(self, array: Any, node: Node | None) -> "Tensor":
        """The output of an operation on this tensor: a Tensor, even if this is a Parameter."""
        output = Tensor(array)
        if node is not None:
            output.requires_grad = True
            output._node = node
        return output

    # -- operators and methods ------------------------------------------------------------

    if TYPE_CHECKING:
        # Functions of `minigrad.functional`, which needs Tensor, so that this module cannot import
        # it; minigrad/operators.py installs them. `help(Tensor.sum)` shows the documentation.
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __pow__(self, exponent: Any) -> "Tensor": ...
        def __rpow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: "Tensor") -> "Tensor": ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __lt__(self, other: Any) -> "Tensor": ...
        def __le__(self, other: Any) -> "Tensor": ...
        def __gt__(self, other: Any) -> "Tensor": ...
        def __ge__(self, other: Any) -> "Tensor": ...
        def __eq__(self, other: Any) -> "Tensor": ...  # type: ignore[override]
        def __ne__(self, other: Any) -> "Tensor": ...  # type: ignore[override]
        def __iadd__(self, other: Any) -> "Tensor": ...
        def __isub__(self, other: Any) -> "Tensor": ...
        def __imul__(self, other: Any) -> "Tensor": ...
        def __itruediv__(self, other: Any) -> "Tensor": ...
        def __ipow__(self, other: Any) -> "Tensor": ...
        def __array_ufunc__(
            self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
        ) -> Any: ...
        def exp(self) -> "Tensor": ...
        def log(self) -> "Tensor": ...
        def sqrt(self) -> "Tensor": ...
        def tanh(self) -> "Tensor": ...
        def sigmoid(self) -> "Tensor": ...
        def relu(self, inplace: bool = False) -> "Tensor": ...
        def sum(self, dim: Dim = None, keepdim: bool = False) -> "Tensor": ...
        def mean(self, dim: Dim = None, keepdim: bool = False) -> "Tensor": ...
        def max(self, dim: Dim = None, keepdim: bool = False) -> "Tensor": ...
        def reshape(self, *sizes: Any) -> "Tensor": ...
        def permute(self, *dims: Any) -> "Tensor": ...
        def transpose(self, dim0: int, dim1: int) -> "Tensor": ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor": ...
        def to(self, target: Any) -> "Tensor": ...


def require_no_mask(name: str, array: Any) -> None:
    """Raise TypeError for an array with a mask, which operations would not see."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} cannot have a mask: use the array's .filled(value)")


def _plain_array(name: str, array: Any) -> Any:
    """An array of a backend, without what a subclass of np.ndarray would do differently.

    Raises:
        TypeError: it is not an array, or has a mask, which operations would not see.
    """
    if type(array) is np.ndarray:
        return array
    if isinstance(array, Tensor):
        raise TypeError(f"{name} is an array, got a Tensor: use its .data")
    require_no_mask(name, array)
    if isinstance(array, np.ndarray | np.generic):
        return np.asarray(array)
    try:
        backends.backend_of(array)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    return array


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`; Python floats become float32 unless `dtype` is given.

    Args:
        data: a number, an array, a tensor, or nested lists of these. A tensor that requires a
            gradient is a RuntimeError, because the copy would have none: use its detach().
    """
    if isinstance(data, Tensor):
        data._require_no_grad("to another tensor", RuntimeError)
    return Tensor(_as_array(data, dtype, copy=True), requires_grad)


def _as_array(data: Any, dtype: Any = None, copy: bool = False) -> Any:
    """A tensor, an array, a number or nested lists of them as an array.

    Without a `dtype` Python floats become float32, unless a float64 array or tensor is beside them.
    """
    require_no_mask("a tensor", data)
    array = data.data if isinstance(data, Tensor) else np.asarray(data)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"a tensor holds numbers, got {type(data).__name__} of {array.dtype}")
    has_type = hasattr(data, "dtype") or _holds_float64(data)
    if dtype is None and array.dtype == np.float64 and not has_type:
        dtype = np.float32
    with np.errstate(over="ignore"):  # 1e300 becomes infinite in float32
        return array.astype(array.dtype if dtype is None else dtype, copy=copy)


def _holds_float64(data: Any) -> bool:
    """Whether an array or a tensor in nested lists is float64; that of a number does not count."""
    if isinstance(data, (list, tuple)):
        return any(map(_holds_float64, data))
    return isinstance(data, (Tensor, np.ndarray)) and data.dtype == np.float64
