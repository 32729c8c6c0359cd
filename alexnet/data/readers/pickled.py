"""Read the pickles of CIFAR's Python version without running them.

A pickle is a program for a small stack machine, and some of its instructions call any function that
the file names: pickle.load runs what a stranger wrote. Here `pickletools` of the standard library
decodes the instructions without executing them; `load` is the stack machine, and only records the
calls. A subclass of pickle.Unpickler with an allow-list would be as long, would still call what is
on the list, and would reserve as much memory as the file claims to need.
"""

import mmap
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import DataError

RECONSTRUCT, DTYPE = "numpy.core.multiarray _reconstruct", "numpy dtype"
GLOBALS = (RECONSTRUCT, "numpy ndarray", DTYPE)
# The largest official file has some 200,000; each takes at most a few hundred bytes of memory.
MAX_INSTRUCTIONS = 1_000_000


@dataclass(eq=False)
class Call:
    """A call that was not made; `state` is what the object would have received afterwards."""

    function: str
    arguments: Any
    state: Any = None


def load(path: Path, max_bytes: int) -> Any:
    """The value of a pickle, made of dict, list, tuple, str, int, bool, None and `Call`.

    Bytes longer than 255 are left in the file: a slice says where they are.

    Raises:
        DataError: it is larger than `max_bytes`, damaged, or calls other functions than those that
            make an array.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise DataError(f"{path}: {size:,} bytes, more than the {max_bytes:,} that it may have")
    try:
        # Reading n bytes of a map gives what there is, and reserves no memory for n first.
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents,
        ):
            return _interpret(contents, path)
    # Warning: pickletools warns of some strings, which is an error where Python is told so (-W).
    except (ValueError, TypeError, AttributeError, LookupError, Warning) as error:
        raise DataError(f"{path}: damaged, or not a file of the official archive") from error


def _interpret(file: mmap.mmap, path: Path) -> Any:
    stack, marks, memo = [], [], {}

    def pop_to_mark() -> list:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if count == MAX_INSTRUCTIONS:
            raise ValueError("too many instructions")
        match instruction.name:
            case "PROTO" | "STOP":
                pass
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[instruction.name])
            case "BININT" | "BININT1" | "BININT2" | "SHORT_BINSTRING":
                stack.append(argument)
            case "BINSTRING":
                stack.append(slice(file.tell() - len(argument), file.tell()))
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                length = int(instruction.name[-1])
                stack[-length:] = [tuple(stack[-length:])]
            case "EMPTY_LIST":
                stack.append([])
            case "APPENDS":
                items = pop_to_mark()
                stack[-1].extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEMS":
                items = pop_to_mark()
                # Only the hashes of strings cannot be chosen to collide.
                if not all(isinstance(key, str) for key in items[::2]):
                    raise TypeError("a key is not a string")
                stack[-1].update(zip(items[::2], items[1::2]))
            case "GLOBAL":
                if argument not in GLOBALS:
                    function = argument.replace(" ", ".")
                    raise DataError(
                        f"{path}: refused, it is not a file of the official archive: "
                        f"as a pickle it could call {function[:60]!r}"
                    )
                stack.append(argument)
            case "REDUCE":
                arguments = stack.pop()
                stack[-1] = Call(stack[-1], arguments)
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case _:
                raise ValueError(f"unexpected instruction {instruction.name}")
    return stack[-1]


def map_array(path: Path, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The array of bytes that `load` found in the file at `path`, memory-mapped.

    Raises:
        DataError: it is no array of bytes, or not of this shape.
    """
    match value:
        case Call(
            function=str(function),
            state=(1, array_shape, Call(function=str(dtype), arguments=("u1", 0, 1)), order, place),
        ) if (function, dtype, array_shape) == (RECONSTRUCT, DTYPE, shape) and isinstance(
            place, slice
        ):
            if place.stop - place.start == np.prod(shape):
                order = "F" if order else "C"
                return np.memmap(path, np.uint8, "r", place.start, shape, order)
    wanted = "x".join(map(str, shape))
    raise DataError(f"{path}: damaged, its 'data' are not {wanted} bytes")
