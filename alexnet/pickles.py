"""Read pickles without running them.

A pickle is a program for a small stack machine, and some of its instructions call any function that
the file names: pickle.load runs what a stranger wrote. Here `pickletools` of the standard library
decodes the instructions without executing them; `interpret` is the stack machine, and only records
the calls. A subclass of pickle.Unpickler with an allow-list would be as long, would still call what
is on the list, and would reserve as much memory as the file claims to need.
"""

import mmap
import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO, Any

# The largest file of CIFAR has some 200,000; each takes at most a few hundred bytes of memory.
MAX_INSTRUCTIONS = 1_000_000
MAX_INTEGER_KEY = 2**20
ORDERED_DICT = "collections OrderedDict"


class PickleError(Exception):
    """A pickle is damaged, or has instructions that no file of the expected kind needs."""


class UnexpectedFunction(PickleError):
    """A pickle names a function, here with its module, that a file of its kind does not call."""


@dataclass(eq=False)
class Call:
    """A call that was not made; `state` is what the object would have received afterwards."""

    function: str
    arguments: Any
    state: Any = None


def interpret(
    file: IO[bytes] | mmap.mmap,
    functions: Collection[str],
    refer: Callable[[Any], Any] | None = None,
) -> Any:
    """The value of the pickle that begins at the position of a file, which is then behind it.

    It is made of dict, list, tuple, str, int, float, bool, bytes, None, and `Call`; an OrderedDict
    that begins empty is a dict. Strings of Python 2 longer than 255 bytes are left in the file: a
    slice says where they are.

    Args:
        file: memory-mapped or in memory: reading n bytes gives what there is, and reserves no
            memory for n first.
        functions: that it may call, each as "module name".
        refer: gives what stands for an object that is not in the pickle, by its identity there; it
            raises ValueError for what is no identity. None where all objects are in the pickle.

    Raises:
        PickleError: it cannot be interpreted.
    """
    try:
        return _interpret(file, functions, refer)
    # Warning: pickletools warns of some strings, which is an error where Python is told so (-W).
    except (ValueError, TypeError, AttributeError, LookupError, Warning) as error:
        raise PickleError(str(error)) from error


def _interpret(
    file: IO[bytes] | mmap.mmap, functions: Collection[str], refer: Callable[[Any], Any] | None
) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if count == MAX_INSTRUCTIONS:
            raise ValueError("too many instructions")
        match instruction.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[instruction.name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "SHORT_BINSTRING" | "SHORT_BINUNICODE" | "BINUNICODE":
                stack.append(argument)
            case "SHORT_BINBYTES" | "BINBYTES":
                stack.append(argument)
            case "BINSTRING":
                stack.append(slice(file.tell() - len(argument), file.tell()))
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                length = int(instruction.name[-1])
                stack[-length:] = [tuple(stack[-length:])]
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = pop_to_mark()
                stack[-1].extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                key, value = stack.pop(-2), stack.pop()
                _update(stack[-1], [(key, value)])
            case "SETITEMS":
                items = pop_to_mark()
                _update(stack[-1], zip(items[::2], items[1::2]))
            case "GLOBAL":
                stack.append(_known(argument, functions))
            case "STACK_GLOBAL":
                module, name = stack.pop(-2), stack.pop()
                stack.append(_known(" ".join((module, name)), functions))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack[-1]
                if not isinstance(function, str):
                    raise TypeError("a call of something that is no function")
                is_empty_dict = function == ORDERED_DICT and arguments == ()
                stack[-1] = {} if is_empty_dict else Call(function, arguments)
            case "BUILD":
                state = stack.pop()
                # What an OrderedDict has besides its items is of no use here.
                if not isinstance(stack[-1], dict):
                    stack[-1].state = state
            case "BINPERSID" if refer is not None:
                stack[-1] = refer(stack[-1])
            case _:
                raise ValueError(f"unexpected instruction {instruction.name}")
    return stack[-1]


def _update(target: Any, items: Any) -> None:
    """Add items to a dict, unless their keys could have been chosen to collide."""
    if not isinstance(target, dict):
        raise TypeError("items of something that is no dict")
    for key, value in items:
        # The hashes of strings cannot be chosen, and not many of so few integers collide.
        if not isinstance(key, str) and not (type(key) is int and 0 <= key < MAX_INTEGER_KEY):
            raise TypeError("a key is neither a string nor a small number")
        target[key] = value


def _known(function: str, functions: Collection[str]) -> str:
    if function not in functions:
        raise UnexpectedFunction(function.replace(" ", "."))
    return function
