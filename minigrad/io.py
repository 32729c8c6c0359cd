"""Arrays and text in a safetensors file."""

import contextlib
import errno
import itertools
import os
import re
import threading
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, TensorSpec, deserialize, safe_open, serialize_file

from minigrad.kernels.shared import bfloat16 as bf16

STORABLE_TYPES = tuple(
    map(np.dtype, ("f2", "f4", "f8", "c8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"))
)


class CheckpointError(Exception):
    """A file cannot be read as a checkpoint, or does not fit the model."""


def save(
    path: str | os.PathLike,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
    bfloat16: Container[str] = (),
) -> None:
    """Write arrays by name, and strings as metadata.

    The file is written under a temporary name beside `path` and then renamed, so that it appears
    complete or not at all, also if several threads or processes save to one path.

    Args:
        bfloat16: names of float32 arrays to be stored as bfloat16, see `rounded`.

    Raises:
        OSError: the file cannot be written.
        TypeError, ValueError: the format cannot hold an array, a name or a text of `metadata`.
    """
    path = Path(path)
    stored = {name: _storable(name, array) for name, array in arrays.items()}
    specs = {}
    for name, array in stored.items():
        dtype = array.dtype.name
        if name in bfloat16:
            dtype, array = "bfloat16", bf16.to_bits(array).astype("<u2", copy=False)
            stored[name] = array  # the library is told where its memory is
        specs[name] = TensorSpec(
            dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes
        )
    for text in itertools.chain.from_iterable((metadata or {}).items()):
        _require_text("metadata", text)
    with replacing(path) as temporary:
        try:
            temporary.touch()
            usual_mode = temporary.stat().st_mode
            # Of neither arrays nor metadata, {} instead of None makes a file that cannot be read.
            serialize_file(specs, temporary, metadata or None)
            # The library creates files that only their owner may read.
            os.chmod(temporary, usual_mode)
        except SafetensorError as error:
            # The library reports the system's error number only in its message.
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else errno.EIO
            raise OSError(number, os.strerror(number), str(path)) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to, which then replaces `path`.

    So a file appears complete or not at all, also if several threads or processes write to one
    path.

    Raises:
        OSError: the file cannot be written; what was at `path` before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _storable(name: str, array: Any) -> np.ndarray:
    _require_text("names", name)
    if name == "__metadata__":
        raise ValueError("save: no array can be called __metadata__, which is the file's own name")
    array = np.asarray(array)
    if array.dtype.newbyteorder("=") not in STORABLE_TYPES:
        raise TypeError(
            f"save: {name} is {array.dtype}, which the file cannot hold; expected one of "
            f"{', '.join(map(str, STORABLE_TYPES))}"
        )
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


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
    """The arrays and the metadata of a safetensors file.

    Arrays of bfloat16, which NumPy does not have, become float32 without loss.

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
            packed = {name for name in wanted if file.get_slice(name).get_dtype() == "BF16"}
            arrays = {name: file.get_tensor(name) for name in wanted if name not in packed}
            metadata = file.metadata() or {}
        if packed:
            contents = deserialize(Path(path).read_bytes())
            arrays |= {name: _from_bfloat16(**spec) for name, spec in contents if name in packed}
        return {name: arrays[name] for name in wanted}, metadata
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {path} does not exist") from None
    # The last two: a type of numbers that NumPy does not have, such as float8_e4m3fn.
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a readable checkpoint: {error}") from None


def metadata(path: str | os.PathLike) -> dict[str, str]:
    """The metadata of a safetensors file, whose arrays are not read.

    Raises:
        CheckpointError: the file is missing or not a safetensors file.
    """
    return load(path, leave_out="")[1]


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """The nearest numbers that a type can hold; of two that are as near, the even one.

    Args:
        array: float32.
        dtype: "float32", "float16" or "bfloat16".

    Returns:
        a float16 array for "float16", otherwise float32; the array itself for "float32". Numbers
        beyond the largest one of the type become infinite.
    """
    if dtype == "bfloat16":
        return bf16.from_bits(bf16.to_bits(array))
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _from_bfloat16(dtype: str, shape: list[int], data: bytearray) -> np.ndarray:
    """An array from what the library tells of one of dtype "BF16"."""
    return bf16.from_bits(np.frombuffer(data, "<u2").reshape(shape))
