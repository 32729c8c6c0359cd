"""The operators and methods of Tensor, and what NumPy's functions do with a tensor.

Most are functions of `minigrad.functional`. They are installed here and not defined in the class,
because `functional` needs Tensor. minigrad/tensor.py declares them for type checkers.
"""

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import backend, checks, operand_checks
from minigrad import functional as F
from minigrad.autograd import is_grad_enabled
from minigrad.tensor import Tensor, require_no_mask

# -- comparisons --------------------------------------------------------------------------


def _compare(ufunc: np.ufunc, input: Any, other: Any) -> Tensor:
    """The result for each element, a bool, without a graph. Types may differ."""
    name, model = ufunc.__name__, input if isinstance(input, Tensor) else other
    if isinstance(input, Tensor) and isinstance(other, Tensor):
        checks.same_device(name, input, "other", other)
    xp = backend.backend_of(model.data).xp
    arrays = []
    for value in (input, other):
        require_no_mask(f"{name}: an operand", value)
        if isinstance(value, np.generic):  # a number, whose type does not count
            value = value.item()
        arrays.append(value.data if isinstance(value, Tensor) else value)
        if isinstance(value, np.ndarray):
            arrays[-1] = xp.asarray(value)
    if all(hasattr(array, "shape") for array in arrays):
        operand_checks.broadcast(name, arrays[0], "other", arrays[1])
    return Tensor(xp.asarray(getattr(xp, name)(*arrays)))


def _comparison(ufunc: np.ufunc) -> Callable[[Tensor, Any], Tensor]:
    def compare(self: Tensor, other: Any) -> Tensor:
        """For each element, as a tensor of bool without a graph."""
        if not isinstance(other, (Tensor, np.ndarray, np.generic, numbers.Real)):
            return NotImplemented
        return _compare(ufunc, self, other)

    return compare


# -- operators that change a tensor -------------------------------------------------------


def _in_place(name: str, function: Callable[[Tensor, Any], Tensor]) -> Callable:
    """`t += other` and its like: in the memory of `t`, unless the operation is recorded.

    A recorded operation makes a new tensor, because the graph may need the values of the old one.
    """

    def operator(self: Tensor, other: Any) -> Tensor:
        if is_grad_enabled() and self.requires_grad and self.is_leaf:
            raise RuntimeError(
                f"{name}: a leaf that requires a gradient cannot be changed in place: do it "
                "within no_grad(), or make a new tensor"
            )
        output = function(self, other)
        if output.requires_grad:
            return output
        if output.shape != self.shape:
            raise ValueError(f"{name}: a result of shape {output.shape} does not fit {self.shape}")
        if not backend.backend_of(self.data).is_writable(self.data):
            raise ValueError(
                f"{name}: a tensor that is read-only, or several of whose elements are one number "
                "in memory, cannot be changed in place"
            )
        self.data[...] = output.data
        return self

    return operator


# -- NumPy's functions --------------------------------------------------------------------

_COMPARISONS = {
    np.less: "__lt__",
    np.less_equal: "__le__",
    np.greater: "__gt__",
    np.greater_equal: "__ge__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
}
_UFUNCS: dict[np.ufunc, Callable[..., Tensor]] = {
    np.add: F.add,
    np.subtract: F.subtract,
    np.multiply: F.multiply,
    np.divide: F.divide,
    np.negative: F.negative,
    np.power: F.pow,
    np.exp: F.exp,
    np.log: F.log,
    np.sqrt: F.sqrt,
    np.tanh: F.tanh,
    np.matmul: F.matmul,
}


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """`numpy.exp(t)`, `array + t`: the function of `minigrad.functional`, with its gradient.

    `array += t` writes into the array.

    Raises:
        TypeError: there is no such function, or it has options that NumPy's alone has.
    """
    out = options.pop("out", ())
    if method == "__call__" and not options:
        if out and not any(isinstance(array, Tensor) for array in out):
            return ufunc(*(np.asarray(x) if isinstance(x, Tensor) else x for x in inputs), out=out)
        if not out and ufunc in _COMPARISONS:
            return _compare(ufunc, *inputs)
        if not out and ufunc in _UFUNCS:
            return _UFUNCS[ufunc](*inputs)
    call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise TypeError(f"numpy.{call} does not take a Tensor like this: use t.detach().numpy()")


# -----------------------------------------------------------------------------------------

_METHODS: dict[str, Callable[..., Any]] = {
    "__add__": F.add,
    "__radd__": lambda self, other: F.add(other, self),
    "__sub__": F.subtract,
    "__rsub__": lambda self, other: F.subtract(other, self),
    "__mul__": F.multiply,
    "__rmul__": lambda self, other: F.multiply(other, self),
    "__truediv__": F.divide,
    "__rtruediv__": lambda self, other: F.divide(other, self),
    "__neg__": F.negative,
    "__pow__": F.pow,
    "__rpow__": lambda self, other: F.pow(other, self),
    "__matmul__": F.matmul,
    "__getitem__": F.getitem,
    **{name: _comparison(ufunc) for ufunc, name in _COMPARISONS.items()},
    "__iadd__": _in_place("add", F.add),
    "__isub__": _in_place("subtract", F.subtract),
    "__imul__": _in_place("multiply", F.multiply),
    "__itruediv__": _in_place("divide", F.divide),
    "__ipow__": _in_place("pow", F.pow),
    "__array_ufunc__": _array_ufunc,
    "exp": F.exp,
    "log": F.log,
    "sqrt": F.sqrt,
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "relu": F.relu,
    "sum": F.sum,
    "mean": F.mean,
    "max": F.max,
    "reshape": F.reshape,
    "permute": F.permute,
    "transpose": F.transpose,
    "flatten": F.flatten,
    "to": F.to,
}
for _name, _function in _METHODS.items():
    setattr(Tensor, _name, _function)
