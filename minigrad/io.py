"""Arrays and text in a safetensors file."""

import errno
import itertools
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

STORABLE_TYPES = tuple(
    map(np.dtype, ("f2", "f4", "f8", "c8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"))
)


class CheckpointError(Exception):
    """A file cannot be read as a checkpoint, or does not fit the model."""


def save(
    path: str | os.PathLike, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None
) -> None:
    """Write arrays by name, and strings as metadata.

    The file is written under a temporary name beside `path` and then renamed, so that it appears
    complete or not at all, also if several threads or processes save to one path.

    Raises:
        OSError: the file cannot be written.
        TypeError, ValueError: the format cannot hold an array, a name or a text of `metadata`.
    """
    path = Path(path)
    contiguous = {name: _storable(name, array) for name, array in arrays.items()}
    for text in itertools.chain.from_iterable((metadata or {}).items()):
        _require_text("metadata", text)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.touch()
        usual_mode = temporary.stat().st_mode
        # Of neither arrays nor metadata, {} instead of None makes a file that cannot be read.
        save_file(contiguous, temporary, metadata or None)
        # The library creates files that only their owner may read.
        os.chmod(temporary, usual_mode)
        os.replace(temporary, path)
    except SafetensorError as error:
        # The library reports the system's error number only in its message.
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _storable(name: str, array: Any) -> np.ndarray:
    _require_text("names", name)
    if name == "__metadata__":
        raise ValueError("save: no array can be called __metadata__, which is the file's own name")
    array = np.asarray(array, order="C")
    if array.dtype.newbyteorder("=") not in STORABLE_TYPES:
        raise TypeError(
            f"save: {name} is {array.dtype}, which the file cannot hold; expected one of "
            f"{', '.join(map(str, STORABLE_TYPES))}"
        )
    return array


def _require_text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"save: {what} must be strings, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"save: {what} must be text that UTF-8 can hold, got {value!r}") from None


def load(
    path: str | os.PathLike, leave_out: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a file written by `save`.

    Args:
        leave_out: a prefix; arrays whose names start with it are not read.

    Raises:
        CheckpointError: the file is missing or not a safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            wanted = [
                name for name in file.keys() if leave_out is None or not name.startswith(leave_out)
            ]
            return {name: file.get_tensor(name) for name in wanted}, file.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {path} does not exist") from None
    # TypeError: a type of numbers that NumPy does not have, such as bfloat16.
    except (SafetensorError, OSError, TypeError) as error:
        raise CheckpointError(f"{path} is not a readable checkpoint: {error}") from None
