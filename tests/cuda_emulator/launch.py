"""cupy.RawModule: compiles a CUDA source, checks the arguments of a launch and runs it.

CuPy checks next to nothing: a Python int becomes 8 bytes whatever the parameter is, an array of the
wrong type is read as it lies. Here every argument has to be what the kernel's signature says.
"""

import ctypes
import re

import numpy as np

from . import build, reports, settings
from .accesses import Operation
from .array import ndarray
from .settings import EmulatorError

LARGEST_GRID = (2**31 - 1, 65535, 65535)
LARGEST_BLOCK = (1024, 1024, 64)
MOST_THREADS = 1024
SHARED_BYTES = 48 << 10  # that a kernel has without asking
SHARED_BYTES_OPT_IN = 227 << 10

PARAMETER = re.compile(r"(?P<const>const )?(?P<kind>[fiubsv])(?P<size>\d+)(?P<pointer>\*)?")
KINDS = {"f": "floating-point", "i": "integer", "u": "unsigned integer", "b": "bool"}


class _Launch(ctypes.Structure):
    """struct Launch of device/interface.h."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("dynamic_shared_bytes", ctypes.c_uint64),
        ("shared_limit", ctypes.c_uint64),
        ("order", ctypes.c_int),
        ("seed", ctypes.c_uint),
    ]


class RawModule:
    """Compiles at once, where CuPy waits for the first get_function()."""

    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None):
        if backend != "nvrtc":
            raise EmulatorError(f"backend={backend!r} is not emulated")
        if not isinstance(options, tuple) or not all(isinstance(part, str) for part in options):
            raise TypeError("options must be a tuple of str")
        self._names = list(name_expressions or ())
        self._library = build.load(code, options, self._names)
        self._functions = {}

    def get_function(self, name):
        if name not in self._names:
            raise EmulatorError(f"{name!r} is not among the name_expressions {self._names}")
        if name not in self._functions:
            number = self._names.index(name)
            self._functions[name] = Function(self._library, number, name)
        return self._functions[name]


class Parameter:
    """One parameter of a kernel, read from the text that export.h writes."""

    def __init__(self, text):
        match = PARAMETER.fullmatch(text)
        self.is_pointer = match["pointer"] is not None
        self.is_const = match["const"] is not None
        self.kind = match["kind"]
        self.size = int(match["size"])

    def __str__(self):
        if self.kind in "sv":
            text = "void" if self.kind == "v" else f"struct of {self.size} bytes"
        else:
            text = f"{8 * self.size}-bit {KINDS[self.kind]}"
        return f"pointer to {text}" if self.is_pointer else text

    def accepts(self, dtype):
        if self.kind == "v":
            return True
        if self.kind == "s":  # NumPy's "void": records, and types that others add, as bfloat16
            return dtype.kind == "V" and dtype.itemsize == self.size
        return dtype.kind == self.kind and dtype.itemsize == self.size


class Function:
    """A kernel: `function(grid, block, arguments, shared_mem=0)`."""

    def __init__(self, library, number, name):
        self.name = name
        self.max_dynamic_shared_size_bytes = SHARED_BYTES
        self._launch = getattr(library, f"launch_{number}")
        text = ctypes.create_string_buffer(4096)
        getattr(library, f"signature_{number}")(text)
        self._parameters = [Parameter(part) for part in text.value.decode().split(",")[:-1]]
        self._message = ctypes.create_string_buffer(1000)

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        how = self._checked_launch(grid, block, shared_mem)
        pointers, keep_alive, outputs = self._checked_arguments(args)
        operation = Operation(self.name, stream)
        operation.reads(*(a._array for a in args if isinstance(a, ndarray)))
        operation.writes(*(output._array for output in outputs))
        if settings.order == "all":
            self._run_in_all_orders(pointers, how, outputs)
        else:
            self._run(pointers, how, settings.order)
        del keep_alive

    def _error(self, message):
        return EmulatorError(f"{self.name}: {message}")

    def _checked_launch(self, grid, block, shared_mem):
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError("grid and block must be tuples")
        # CuPy, too, makes a launch of an empty grid one of a single block.
        grid = [max(1, int(size)) for size in (*grid, 1, 1)[:3]]
        block = [max(1, int(size)) for size in (*block, 1, 1)[:3]]
        if any(size > most for size, most in zip(grid, LARGEST_GRID)):
            raise self._error(f"grid {tuple(grid)} exceeds {LARGEST_GRID}")
        threads = block[0] * block[1] * block[2]
        if threads > MOST_THREADS or any(n > most for n, most in zip(block, LARGEST_BLOCK)):
            raise self._error(f"block {tuple(block)} exceeds {MOST_THREADS} threads")
        if shared_mem > SHARED_BYTES_OPT_IN:
            raise self._error(f"{shared_mem} bytes of shared memory, of {SHARED_BYTES_OPT_IN}")
        limit = self.max_dynamic_shared_size_bytes
        if shared_mem > max(limit, SHARED_BYTES):
            raise self._error(
                f"{shared_mem} bytes of shared memory, and max_dynamic_shared_size_bytes is {limit}"
            )
        if limit > SHARED_BYTES_OPT_IN:
            raise self._error(f"max_dynamic_shared_size_bytes is {limit} > {SHARED_BYTES_OPT_IN}")
        how = _Launch(
            dynamic_shared_bytes=shared_mem,
            shared_limit=SHARED_BYTES_OPT_IN if limit > SHARED_BYTES else SHARED_BYTES,
            seed=settings.seed,
        )
        how.grid[:] = grid
        how.block[:] = block
        return how

    def _checked_arguments(self, arguments):
        """The addresses of the values, what must live on, and the arrays that may change."""
        parameters = self._parameters
        if len(arguments) != len(parameters):
            raise self._error(f"{len(arguments)} arguments for {len(parameters)} parameters")
        pointers = (ctypes.c_void_p * max(1, len(arguments)))()
        keep_alive, outputs = [], []
        for i, (argument, parameter) in enumerate(zip(arguments, parameters)):
            if parameter.is_pointer:
                value = self._checked_pointer(i, argument, parameter)
                if isinstance(argument, ndarray) and not parameter.is_const:
                    outputs.append(argument)
            else:
                value = self._checked_value(i, argument, parameter)
            keep_alive.append(value)
            pointers[i] = value.ctypes.data
        return pointers, keep_alive, outputs

    def _checked_pointer(self, i, argument, parameter):
        if isinstance(argument, np.uint64) and argument == 0:
            return np.asarray(argument)
        if not isinstance(argument, ndarray):
            raise self._error(f"argument {i} is a {_name(argument)} for a {parameter}")
        if not parameter.accepts(argument.dtype):
            raise self._error(f"argument {i} is a {argument.dtype} array for a {parameter}")
        if not argument.flags.c_contiguous:
            raise self._error(
                f"argument {i} is not C-contiguous: shape {argument.shape}, "
                f"strides {argument.strides}"
            )
        return np.asarray(np.uint64(argument.data.ptr))

    def _checked_value(self, i, argument, parameter):
        if isinstance(argument, np.ndarray) and argument.ndim == 0:
            argument = argument[()]
        if not isinstance(argument, np.generic):
            raise self._error(f"argument {i} is a {_name(argument)} for a {parameter}")
        if not parameter.accepts(argument.dtype):
            raise self._error(f"argument {i} is a NumPy {argument.dtype} for a {parameter}")
        return np.asarray(argument)

    def _run(self, pointers, how, order):
        if order not in settings.ORDERS:
            raise EmulatorError(f"settings.order is {order!r}, not one of {settings.ORDERS}")
        how.order = settings.ORDERS.index(order)
        failed = self._launch(pointers, ctypes.byref(how), self._message, len(self._message))
        report = reports.take() if settings.sanitizer else None
        if report:
            raise self._error(f"{settings.sanitizer} sanitizer\n{report}")
        if failed:
            raise self._error(self._message.value.decode())

    def _run_in_all_orders(self, pointers, how, outputs):
        before = [output._array.copy() for output in outputs]
        expected = None
        for order in settings.ORDERS:
            for output, values in zip(outputs, before):
                output._array[...] = values
            self._run(pointers, how, order)
            results = [output._array.tobytes() for output in outputs]
            if expected is None:
                expected = results
            elif results != expected:
                raise self._error(
                    f"results depend on the order of threads ({settings.ORDERS[0]} and {order} "
                    f"differ, seed {settings.seed})"
                )


def _name(argument):
    return f"{type(argument).__module__}.{type(argument).__name__}".removeprefix("builtins.")
