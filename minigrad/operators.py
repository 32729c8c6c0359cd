"""The operators and methods of Tensor: functions of `minigrad.functional`.

They are installed here and not defined in the class, because `functional` needs Tensor.
minigrad/tensor.py declares them for type checkers.
"""

from collections.abc import Callable

from minigrad import functional as F
from minigrad.tensor import Tensor

_METHODS: dict[str, Callable[..., Tensor]] = {
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
    "__matmul__": F.matmul,
    "__getitem__": F.getitem,
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
