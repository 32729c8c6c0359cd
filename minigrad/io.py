"""Arrays and text in a safetensors file."""

import errno
import os
import re
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file


class CheckpointError(Exception):
    """A file cannot be read as a checkpoint, or does not fit the model."""


def save(
    path: str | os.PathLike, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None
) -> None:
    """Write arrays by name, and strings as metadata.

    The file is written under a temporary name beside `path` and then renamed, so that it appears
    complete or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(contiguous, temporary, metadata or {})
        # The library creates files that only their owner may read.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except SafetensorError as error:
        # The library reports the system's error number only in its message.
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


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
