"""The stand-in's ndarray: a NumPy array in device memory, with CuPy's manners.

NumPy arrays and device arrays do not mix, nothing is converted without being asked, and reductions
and single elements are 0-d arrays that stay on the device.
"""

import numpy as np

from minigrad.kernels.shared.bfloat16 import TYPES

from . import memory, signatures, streams
from .accesses import Operation, block_of
from .memory import DeviceBlock
from .settings import EmulatorError


class MemoryPointer:
    """array.data"""

    def __init__(self, address):
        self.ptr = address


class Flags:
    """array.flags"""

    def __init__(self, flags):
        self.c_contiguous = flags.c_contiguous
        self.f_contiguous = flags.f_contiguous
        self.fnc = flags.fnc


def empty(shape, dtype=float, order="C"):
    """Memory from the pool, full of NaN or of whatever all bits set means."""
    dtype = np.dtype(dtype)
    if (dtype.kind not in "biufc" and dtype not in TYPES) or dtype.byteorder == ">":
        raise ValueError(f"Unsupported dtype {dtype}")
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if any(length < 0 for length in shape):
        raise ValueError("Negative dimensions are not allowed")
    size = dtype.itemsize
    for length in shape:
        size *= int(length)
    if size == 0:
        return ndarray(np.empty(shape, dtype, order))
    block = np.asarray(memory.alloc(size))
    return ndarray(block.view(dtype).reshape(shape, order=order))


def empty_as(prototype, dtype):
    """order="K": the memory is laid out as the prototype's, axis by axis."""
    axes = sorted(range(prototype.ndim), key=lambda axis: -abs(prototype.strides[axis]))
    laid_out = empty([prototype.shape[axis] for axis in axes], dtype)
    return laid_out.transpose([axes.index(axis) for axis in range(prototype.ndim)])


def on_device(array, order="C"):
    """Wraps what NumPy returned: a view of device memory as it is, anything new by a copy.

    Results of elementwise functions, reductions, products and selections are C-contiguous in CuPy,
    whatever the layout of the operands; NumPy's often have the layout of the operands.
    """
    if array.size == 0:
        return ndarray(array)
    if block_of(array) is not None:
        return ndarray(array)
    result = empty(array.shape, array.dtype, order)
    result._array[...] = array
    return result


def unwrap(value):
    """The NumPy arrays inside of arguments; a NumPy array among them is an error, as in CuPy."""
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(map(unwrap, value))
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return value


def wrap(result):
    if isinstance(result, (np.ndarray, np.generic)):
        return on_device(np.asarray(result))
    if isinstance(result, (list, tuple)):
        return type(result)(map(wrap, result))
    return result


def call(function, *args, **kwargs):
    """Calls a NumPy function with device arrays; its `out` is returned as the object it was."""
    out = kwargs.get("out")
    if out is not None and not isinstance(out, ndarray):
        raise TypeError(f"out must be a cupy.ndarray, not {type(out)}")
    result = function(*unwrap(args), **unwrap(kwargs))
    if out is None and _is_view(result):
        return wrap(result)
    operation = Operation(function.__name__)
    operation.reads(*_arrays_in((args, kwargs)))
    if out is None:
        return wrap(result)
    operation.writes(out._array)
    return out


def _is_view(result):
    """Whether a result is memory of the arguments, for which nothing is computed."""
    if isinstance(result, (list, tuple)):
        return all(map(_is_view, result))
    return block_of(result) is not None


def _arrays_in(value):
    if isinstance(value, ndarray):
        yield value._array
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _arrays_in(item)
    elif isinstance(value, dict):
        yield from _arrays_in(list(value.values()))


def by_method(name, signature):
    """A method of NumPy's array, on the device."""

    def method(self, *args, **kwargs):
        signatures.require(f"ndarray.{name}", signature, args, kwargs)
        return call(getattr(np.ndarray, name), self, *args, **kwargs)

    method.__name__ = name
    method.__signature__ = signature
    return method


def by_unary_operator(name):
    def operator(self):
        return call(getattr(np.ndarray, name), self)

    operator.__name__ = name
    return operator


def require_no_list(*operands):
    """CuPy's arithmetic takes arrays and scalars; NumPy's makes an array of a list."""
    for operand in operands:
        if isinstance(operand, (list, tuple)):
            raise TypeError(f"Unsupported type {type(operand)}")


def by_operator(name):
    def operator(self, other):
        require_no_list(other)
        result = getattr(self._array, name)(unwrap(other))
        if result is NotImplemented:
            return result
        Operation(name).reads(*_arrays_in((self, other)))
        return wrap(result)

    operator.__name__ = name
    return operator


def by_in_place_operator(name):
    def operator(self, other):
        require_no_list(other)
        operation = Operation(name)
        operation.reads(*_arrays_in(other))
        operation.writes(self._array)
        getattr(self._array, name)(unwrap(other))
        return self

    operator.__name__ = name
    return operator


UNARY_OPERATORS = "__neg__ __pos__ __abs__ __invert__".split()
OPERATORS = """
    __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __floordiv__
    __rfloordiv__ __mod__ __rmod__ __pow__ __rpow__ __matmul__ __rmatmul__ __and__ __rand__ __or__
    __ror__ __xor__ __rxor__ __lshift__ __rshift__ __lt__ __le__ __gt__ __ge__ __eq__ __ne__
""".split()
IN_PLACE_OPERATORS = """
    __iadd__ __isub__ __imul__ __itruediv__ __ifloordiv__ __imod__ __ipow__ __iand__ __ior__
    __ixor__
""".split()
ATTRIBUTES = "shape dtype ndim size nbytes itemsize strides".split()


class ndarray:
    """cupy.ndarray"""

    __slots__ = ("_array", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, array):
        if not isinstance(array, np.ndarray):
            raise TypeError("use cupy.empty() to make an array")
        self._array = array

    # ---- to and from the host ----

    def __array__(self, dtype=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def get(self, stream=None, order="C", out=None, blocking=True):
        stream = streams.get_current_stream() if stream is None else stream
        Operation("get", stream).reads(self._array)
        if blocking:
            stream.synchronize()
        if out is None:
            if not blocking:
                raise EmulatorError("get(blocking=False) without out= is not emulated")
            return self._array.copy(order)
        if not isinstance(out, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be obtained from cupy.ndarray: {type(out)}")
        if out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        if out.shape != self.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual: {out.shape}")
        if blocking:
            out[...] = self._array
        else:
            streams.copy_late(stream, out, self._array.copy())
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        Operation("set", stream).writes(self._array)
        self._array[...] = arr

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, specification):
        return format(self.get(), specification)

    # ---- copies ----

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        """With order="K" the copy keeps the layout, as no other result does."""
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        dtype, is_contiguous = np.dtype(dtype), self.flags.c_contiguous
        if order == "A" or (order == "K" and (is_contiguous or self.flags.f_contiguous)):
            order = "F" if self.flags.fnc else "C"
        as_asked = order == "K" or getattr(self.flags, f"{order.lower()}_contiguous")
        if not copy and dtype == self.dtype and as_asked:
            return self
        Operation("astype").reads(self._array)
        result = empty_as(self, dtype) if order == "K" else empty(self.shape, dtype, order)
        result._array[...] = self._array
        return result

    def copy(self, order="C"):
        return self.astype(self.dtype, order)

    # ---- elements ----

    def __getitem__(self, index):
        key = unwrap(index)
        result = self._array[key]
        if isinstance(result, np.generic):  # one element: CuPy returns a 0-d view
            key = key if isinstance(key, tuple) else (key,)
            result = self._array[(*key, Ellipsis)]
        if not _is_view(result):
            Operation("__getitem__").reads(self._array, *_arrays_in(index))
        return on_device(result)

    def __setitem__(self, key, value):
        require_no_list(value)
        operation = Operation("__setitem__")
        operation.reads(*_arrays_in((key, value)))
        key = unwrap(key)
        place = self._array[key]  # only some of its elements may be written where it is a copy
        operation.writes(place if _is_view(place) else self._array)
        self._array[key] = unwrap(value)

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def fill(self, value):
        operation = Operation("fill")
        operation.reads(*_arrays_in(value))
        operation.writes(self._array)
        self._array.fill(unwrap(value))

    # ---- attributes ----

    @property
    def flags(self):
        return Flags(self._array.flags)

    @property
    def data(self):
        return MemoryPointer(self._array.ctypes.data if self.size else 0)

    @property
    def T(self):
        return wrap(self._array.T)

    @property
    def base(self):
        return None if isinstance(self._array.base, DeviceBlock) else self._array.base

    # ---- NumPy functions called with device arrays go where CuPy's would ----

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        kwargs = {key: value for key, value in kwargs.items() if key != "out"} | {
            key: value[0] for key, value in kwargs.items() if key == "out"
        }
        if method != "__call__":
            return NotImplemented
        require_no_list(*args)
        return call(ufunc, *args, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        from . import functions

        ours = getattr(functions, function.__name__, None)
        if ours is None:
            raise TypeError(f"numpy.{function.__name__} of a cupy.ndarray is not emulated")
        return ours(*args, **kwargs)


for _name, _signature in signatures.METHODS.items():
    setattr(ndarray, _name, by_method(_name, _signature))
for _name in UNARY_OPERATORS:
    setattr(ndarray, _name, by_unary_operator(_name))
for _name in OPERATORS:
    setattr(ndarray, _name, by_operator(_name))
for _name in IN_PLACE_OPERATORS:
    setattr(ndarray, _name, by_in_place_operator(_name))
for _name in ATTRIBUTES:
    setattr(ndarray, _name, property(lambda self, name=_name: getattr(self._array, name)))
