"""CUDA C sources: headers, compilation and launches."""

import re
from pathlib import Path

import numpy as np

from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared.device import THREADS, device

FOLDER = Path(__file__).resolve().parents[1]  # kernels/
# What CUDA C calls the types of arrays.
REAL = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
FLOAT_TYPES = tuple(REAL)
ALL_TYPES = (*FLOAT_TYPES, *bfloat16.TYPES)
REAL |= dict.fromkeys(bfloat16.TYPES, "bfloat16")
# What a block gets of shared memory without asking the driver for more.
_SHARED_BYTES_WITHOUT_ASKING = 48 * 1024


class _Compiled:
    """A kernel, and the bytes of dynamic shared memory that the driver grants its launches."""

    def __init__(self, function):
        self.function = function
        self.granted = _SHARED_BYTES_WITHOUT_ASKING


class Source:
    """A file of CUDA C, compiled for a float type when that type is first used.

    Args:
        path: of the file, relative to ``kernels/``.
        kernels: names of its templates over the float type; of one with other arguments, too,
            these stand in angle brackets behind ``Real``, the float type.
        types: float32 and float64, unless others are named.
        constants: integers that the source uses by these names, but does not define, because the
            launches depend on them, too.
    """

    all: list["Source"] = []

    def __init__(
        self,
        path: str,
        *kernels: str,
        types=FLOAT_TYPES,
        constants: dict[str, int] | None = None,
    ):
        self.path = path
        self.kernels = kernels
        self.types = tuple(map(np.dtype, types))
        self.constants = constants or {}
        # For the compiler.
        self.options = ("-std=c++17", *(f"-D{name}={n}" for name, n in self.constants.items()))
        self._compiled: dict[tuple, _Compiled] = {}
        Source.all.append(self)

    def launch(self, kernel, dtype, blocks, *arguments, threads=THREADS, shared_memory=0) -> None:
        """Start a kernel on the current stream.

        Args:
            dtype: the float type of the template.
            blocks, threads: numbers, or tuples of up to three.
            arguments: C-contiguous arrays; an int becomes the kernel's ``int``, a float its float
                type, None a null pointer; NumPy scalars stay.
            shared_memory: bytes of dynamic shared memory.

        Raises:
            OverflowError: an int has more than 32 bits.
            TypeError: an argument is no number and no array of the device.
            ValueError: an array is not C-contiguous or not aligned, which CuPy would not notice.
        """
        real = bfloat16.arithmetic(dtype).type
        compiled = self._compiled.get((kernel, dtype))
        if compiled is None:
            self.compile(dtype)
            compiled = self._compiled[kernel, dtype]
        if shared_memory > compiled.granted:
            compiled.function.max_dynamic_shared_size_bytes = shared_memory
            compiled.granted = shared_memory
        compiled.function(
            blocks if isinstance(blocks, tuple) else (blocks,),
            threads if isinstance(threads, tuple) else (threads,),
            tuple([_argument(value, real) for value in arguments]),
            shared_mem=shared_memory,
        )

    def text(self) -> str:
        """The source with its own headers in it, since CuPy's cache does not know of headers."""
        return _with_headers(FOLDER / self.path, set())

    def expressions(self, dtype) -> list[str]:
        """The template instances for a float type."""
        templates = (name if "<" in name else f"{name}<Real>" for name in self.kernels)
        return [name.replace("<Real", f"<{REAL[dtype]}") for name in templates]

    def compile(self, dtype) -> None:
        """Make all kernels for a float type ready to be launched."""
        expressions = self.expressions(dtype)
        module = device.cupy.RawModule(
            code=self.text(), options=self.options, name_expressions=expressions
        )
        for name, expression in zip(self.kernels, expressions):
            self._compiled[name, dtype] = _Compiled(module.get_function(expression))


def _argument(value, real):
    if isinstance(value, float):
        return real(value)
    if isinstance(value, int):
        return np.int32(value)
    if value is None:
        return np.uint64(0)
    if isinstance(value, np.generic):
        return value
    if not isinstance(value, device.cupy.ndarray):
        raise TypeError(f"kernel argument is {type(value).__name__}, expected an array of the GPU")
    if not value.flags.c_contiguous or value.data.ptr % value.itemsize:
        raise ValueError(
            f"kernel argument of shape {value.shape} is not C-contiguous, or it is not aligned"
        )
    return value


_INCLUDE = re.compile(r'#include "([^"]+)"')


def _with_headers(path: Path, included: set[Path]) -> str:
    """The text of a file, each `#include "..."` replaced by that file, with line marks.

    A header is included once, as it says itself (``#pragma once``).
    """
    name = f"kernels/{path.relative_to(FOLDER).as_posix()}"
    lines = [f'#line 1 "{name}"']
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        include = _INCLUDE.match(line)
        header = (path.parent / include[1]).resolve() if include else None
        if header is None:
            lines.append(line)
        elif header in included:
            lines.append("")
        else:
            included.add(header)
            lines.append(_with_headers(header, included))
            lines.append(f'#line {number + 1} "{name}"')
    return "\n".join(lines)
