"""The functions of the module cupy that the project uses, by NumPy on device memory.

A list of what is allowed: a function that is not here is not there, and an AttributeError says so.
"""

import builtins

import numpy as np

from . import signatures
from .accesses import Operation
from .array import call, empty, empty_as, ndarray, on_device, require_no_list, unwrap

UFUNCS = """
    abs absolute add subtract multiply divide true_divide negative power square sqrt exp exp2 log
    log1p expm1 tanh maximum minimum sign isfinite isnan isinf logical_and logical_or logical_not
    equal not_equal less less_equal greater greater_equal floor ceil rint reciprocal
""".split()


class Ufunc:
    """An elementwise function, without CuPy's ufunc.at, whose sums have no fixed order."""

    def __init__(self, name):
        self.__name__ = name
        self._numpy = getattr(np, name)
        self.__signature__ = signatures.of_ufunc(self._numpy.nin)

    def __call__(self, *args, **kwargs):
        signatures.require(self.__name__, self.__signature__, args, kwargs)
        require_no_list(*args)
        return call(self._numpy, *args, **kwargs)

    def __repr__(self):
        return f"<ufunc {self.__name__!r}>"


def by_name(name, signature):
    function = getattr(np, name)

    def device_function(*args, **kwargs):
        signatures.require(name, signature, args, kwargs)
        _require_device_array(name, args, kwargs)
        return call(function, *args, **kwargs)

    device_function.__name__ = name
    device_function.__signature__ = signature
    return device_function


def _require_device_array(name, args, kwargs):
    """cupy.sum([1, 2]) and the like are errors: CuPy's functions do not convert their arguments."""
    values = [*args, *kwargs.values()]
    for value in list(values):
        if isinstance(value, (list, tuple)):
            values.extend(value)
    if not builtins.any(isinstance(value, ndarray) for value in values):
        for value in values:
            unwrap(value)
        raise TypeError(f"cupy.{name} takes a cupy.ndarray")


for _name in UFUNCS:
    globals()[_name] = Ufunc(_name)
for _name, _signature in signatures.FUNCTIONS.items():
    globals()[_name] = by_name(_name, _signature)


# ---- creation ----


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype, order)


def full(shape, fill_value, dtype=None, order="C"):
    if dtype is None:
        dtype = np.asarray(unwrap(fill_value)).dtype
    result = empty(shape, dtype, order)
    result[...] = fill_value
    return result


def arange(start, stop=None, step=1, dtype=None):
    return on_device(np.arange(*unwrap((start, stop, step)), dtype=dtype))


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return _like(prototype, dtype, order, shape)


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 0, dtype, order, subok, shape)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 1, dtype, order, subok, shape)


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    result = _like(a, dtype, order, shape)
    result[...] = fill_value
    return result


def _like(prototype, dtype, order, shape):
    if not isinstance(prototype, ndarray):
        raise TypeError(f"expected a cupy.ndarray, not {type(prototype)}")
    dtype = prototype.dtype if dtype is None else dtype
    if shape is not None or order not in ("K", "A"):
        shape = prototype.shape if shape is None else shape
        return empty(shape, dtype, "F" if order == "F" else "C")
    return empty_as(prototype, dtype)


# ---- to and from the device ----


def array(obj, dtype=None, copy=True, order="K"):
    """Always a new array on the device, unless copy=False and there is nothing to change."""
    if isinstance(obj, ndarray):
        if not copy:
            return asarray(obj, dtype, order)
        return obj.astype(obj.dtype if dtype is None else dtype, order)
    if isinstance(obj, (list, tuple)):
        if builtins.any(isinstance(leaf, ndarray) for leaf in _leaves(obj)):
            obj = _host_copy(obj)
    obj = np.asarray(obj, dtype)
    if order in ("K", "A"):
        order = _order_of(obj)  # more of a NumPy array's layout is not kept
    return on_device(obj, order)


def _order_of(array):
    return "F" if array.flags.fnc else "C"


def _leaves(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _leaves(value)
        else:
            yield value


def _host_copy(values):
    """CuPy stacks the device arrays of a list, which then holds nothing else."""
    if isinstance(values, ndarray):
        return values.get()
    if isinstance(values, (list, tuple)):
        return [_host_copy(value) for value in values]
    raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def asarray(a, dtype=None, order=None):
    if isinstance(a, ndarray):
        return a.astype(a.dtype if dtype is None else dtype, order or "K", copy=False)
    return array(a, dtype, order=order or "K")


def ascontiguousarray(a, dtype=None):
    if isinstance(a, ndarray):
        same_dtype = dtype is None or a.dtype == np.dtype(dtype)
        if same_dtype and a.flags.c_contiguous:
            return a
        return call(np.ascontiguousarray, a, dtype)
    return on_device(np.ascontiguousarray(a, dtype))


def asnumpy(a, stream=None, order="C", out=None):
    if isinstance(a, ndarray):
        return a.get(order=order, out=out)
    return np.asarray(a)


def copyto(dst, src, casting="same_kind", where=None):
    if not isinstance(dst, ndarray):
        raise TypeError(f"dst must be a cupy.ndarray, not {type(dst)}")
    operation = Operation("copyto")
    operation.reads(*(a._array for a in (src, where) if isinstance(a, ndarray)))
    operation.writes(dst._array)
    where = True if where is None else unwrap(where)
    np.copyto(unwrap(dst), unwrap(src), casting=casting, where=where)


def argsort(a, axis=-1, kind=None):
    if kind not in (None, "stable"):
        raise ValueError(f"CuPy sorts stably only, not by kind={kind!r}")
    if axis not in (-1, a.ndim - 1):
        raise ValueError("argsort is emulated along the last axis only")
    _require_device_array("argsort", (a,), {})
    return call(np.argsort, a, axis, "stable")


def pad(array, pad_width, mode="constant", **kwargs):
    """The one function whose result is in Fortran's order where its argument is."""
    _require_device_array("pad", (array,), {})
    Operation("pad").reads(array._array)
    return on_device(np.pad(unwrap(array), pad_width, mode, **kwargs), _order_of(array))


# ---- questions ----


def array_equal(a1, a2):
    Operation("array_equal").reads(unwrap(a1), unwrap(a2))
    return on_device(np.asarray(np.array_equal(unwrap(a1), unwrap(a2))))


def may_share_memory(a, b):
    return np.may_share_memory(unwrap(a), unwrap(b))


def shares_memory(a, b):
    """As CuPy finds it, from addresses that a kernel takes: of an array of no dimensions the kernel
    has a copy, and every such copy lies at the same place."""
    if 0 in (a.ndim, b.ndim):
        return a.ndim == b.ndim
    return np.shares_memory(unwrap(a), unwrap(b))
