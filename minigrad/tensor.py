"""Tensor: an array that knows how to compute gradients.

Its operators, and methods such as `sum`, are functions of `minigrad.functional`: see
minigrad/operators.py.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import backend as backends
from minigrad.autograd import Node, run_backward

FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))

Dim = int | tuple[int, ...] | None


class Tensor:
    """An n-dimensional array with an optional gradient.

    Args:
        array: a NumPy (or CuPy) array, which is not copied, or anything `numpy.asarray`
            accepts; Python floats become float32.
        requires_grad: record operations on this tensor so that `backward` fills ``grad``.

    Attributes:
        data: the array.
        grad: a Tensor of the same shape after `backward`, or None. Gradients of several
            `backward` calls accumulate until it is set to None.
    """

    # NumPy must leave `array + tensor` to Tensor.__radd__.
    __array_priority__ = 1000

    def __init__(self, array: Any, requires_grad: bool = False):
        if isinstance(array, Tensor):
            raise TypeError("Tensor(array) takes an array, got a Tensor: use its .data or detach()")
        if not hasattr(array, "dtype"):
            array = np.asarray(array)
            if array.dtype == np.float64:
                array = array.astype(np.float32)
        elif isinstance(array, np.generic):
            array = np.asarray(array)
        self.data = array
        self.grad: Tensor | None = None
        self._node: Node | None = None
        if requires_grad and self.dtype not in FLOAT_TYPES:
            raise TypeError(f"only float tensors can require a gradient, got {self.dtype}")
        self.requires_grad = requires_grad

    # -- properties ---------------------------------------------------------------------

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

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        grad = ""
        if self._node is not None:
            grad = f", grad_fn={self._node.function.__name__}"
        elif self.requires_grad:
            grad = ", requires_grad=True"
        return f"tensor({values}{dtype}{grad})"

    # -- leaving the graph --------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array (the same memory on the CPU)."""
        return backends.backend_of(self.data).asnumpy(self.data)

    def item(self) -> float | int:
        """The value of a tensor with one element as a Python number."""
        if self.numel() != 1:
            raise ValueError(f"item() needs a tensor with one element, this one is {self.shape}")
        return self.numpy().item()

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
        if type(gradient) is not type(self.data):
            raise TypeError(f"backward(): gradient is not on {self.device}, as the tensor is")
        if gradient.dtype != self.dtype:
            raise TypeError(f"backward(): gradient is {gradient.dtype}, expected {self.dtype}")
        run_backward(self, gradient)

    def _accumulate_grad(self, gradient: Any) -> None:
        self.grad = Tensor(gradient if self.grad is None else self.grad.data + gradient)

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
        def __pow__(self, exponent: float) -> "Tensor": ...
        def __matmul__(self, other: "Tensor") -> "Tensor": ...
        def __getitem__(self, index: Any) -> "Tensor": ...
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


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`; Python floats become float32 unless `dtype` is given."""
    array = np.array(data, dtype=dtype)
    if dtype is None and not hasattr(data, "dtype") and array.dtype == np.float64:
        array = array.astype(np.float32)
    return Tensor(array, requires_grad)
