"""Files of PyTorch: the parameters in a .pth, read and written without PyTorch.

Nothing in a file is executed: `alexnet.pickles` records what its pickle would call, and here the
calls that make tensors are turned into arrays. `alexnet.formats.torch_records` knows the two forms
of such files.
"""

import json
import math
import pickle
import zipfile
from collections.abc import Container, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet import files, pickles
from alexnet.errors import CheckpointError
from alexnet.formats.torch_records import (
    ITEM_SIZES,
    LEGACY_HEAD,
    METADATA,
    STORAGES,
    ZIP_HEAD,
    Damaged,
    Records,
    Storage,
    with_records,
)
from alexnet.pickles import Call
from minigrad import io

REBUILD = "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"
PARAMETER = {
    *("torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state"),
    "torch.nn.parameter Parameter",
}
TENSORS = {f"torch {kind}Tensor" for kind in ITEM_SIZES}
SIZE = "torch Size"
# Besides tensors, checkpoints of training scripts hold options and numbers.
FUNCTIONS = frozenset(
    {pickles.ORDERED_DICT, *REBUILD, *PARAMETER, *TENSORS, *STORAGES, SIZE}
    | {"argparse Namespace", "torch device", "numpy dtype", "numpy ndarray", "_codecs encode"}
    | {"numpy.core.multiarray scalar", "numpy.core.multiarray _reconstruct"}
    | {"numpy._core.multiarray scalar", "numpy._core.multiarray _reconstruct"}
)
# Where training scripts keep the parameters among other things.
PLACES = ("state_dict", "model_state_dict", "model", "net", "network")
FLOATS = {"Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": "u2"}
ADVICE = "save the parameters with torch.save(model.state_dict(), FILE)"
# Tensors may share a storage, but not so often that a small file fills the memory.
MAX_SHARING = 4


class Tensor(NamedTuple):
    """Where the elements of a tensor are; offset and strides count elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]


def recognizes(head: bytes) -> bool:
    """Whether a file that begins with these bytes is one of torch.save."""
    return head.startswith((ZIP_HEAD, LEGACY_HEAD))


# -- reading -----------------------------------------------------------------------------------


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The parameters in a file by name, and the metadata that `save` added.

    Numbers that are no floats, such as counts of batches, are left out. Arrays have the type that
    the file has, but bfloat16, which NumPy does not have, becomes float32 without loss.

    Raises:
        CheckpointError: it is damaged, holds no parameters, or would call something.
        OSError: it cannot be read.
    """
    try:
        return with_records(path, FUNCTIONS, lambda records: _read(records, path.stat().st_size))
    except pickles.UnexpectedFunction as error:
        raise CheckpointError(
            f"{path} is refused: as a pickle it could call {str(error)[:60]!r}, and parameters "
            f"need no such thing; {ADVICE}"
        ) from error
    except (Damaged, pickles.PickleError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a file of torch.save: {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or "its pickle is damaged"


def _read(records: Records, file_size: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    tensors = {}
    for name, value in _state_dict(records.structure).items():
        tensor = _tensor(value)
        if tensor is not None and tensor.storage.kind in FLOATS and isinstance(name, str):
            tensors[name] = tensor
    total = sum(math.prod(t.size) * ITEM_SIZES[t.storage.kind] for t in tensors.values())
    if total > MAX_SHARING * file_size:
        raise Damaged(f"its tensors would take {total:,} bytes, the file has {file_size:,}")
    arrays = {}
    # So that each storage is read once.
    by_storage = sorted(tensors, key=lambda name: tensors[name].storage.key)
    for key, names in groupby(by_storage, key=lambda name: tensors[name].storage.key):
        elements = records.elements(key)
        arrays |= {name: _array(tensors[name], elements, records.byte_order) for name in names}
    return {name: arrays[name] for name in tensors}, _metadata(records.metadata)


def _state_dict(value: Any) -> dict:
    """The dict of parameters by name in what torch.save got."""
    value = _as_dict(value)
    # The whole comes last: beside the parameters there may be tensors of other things.
    for found in (*(_as_dict(value.get(place)) for place in PLACES), value):
        if any(_tensor(entry) is not None for entry in found.values()):
            return found
    raise Damaged(f"it holds no parameters; {ADVICE}")


def _as_dict(value: Any) -> dict:
    match value:
        case dict():
            return value
        # As Python 2 wrote it.
        case Call(function=pickles.ORDERED_DICT, arguments=(list(pairs),)):
            pairs = [pair for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
            return {name: entry for name, entry in pairs if isinstance(name, str)}
    return {}


def _tensor(value: Any) -> Tensor | None:
    """The tensor that a value stands for; None where it stands for something else."""
    if isinstance(value, Call) and value.function in PARAMETER:
        # Before PyTorch 0.4 a parameter was made without arguments, and got its tensor afterwards.
        inside = value.arguments or value.state
        value = inside[0] if isinstance(inside, tuple) and inside else None
    if not isinstance(value, Call):
        return None
    made_of = value.arguments if value.function in REBUILD else value.state
    if value.function not in TENSORS and value.function not in REBUILD:
        return None
    match made_of:
        case (Storage() as storage, offset, size, strides, *_):
            match size:
                case Call(function=function, arguments=(numbers,)) if function == SIZE:
                    size = numbers
            return _checked(Tensor(storage, offset, size, strides))
    raise Damaged("a tensor in it is not made of a storage")


def _checked(tensor: Tensor) -> Tensor:
    """The tensor, once it is certain that its elements are in its storage."""
    storage, offset, size, strides = tensor
    numbers = [offset]
    for part in (size, strides):
        if not isinstance(part, tuple) or len(part) > 8:
            raise Damaged("a tensor in it has no shape")
        numbers += part
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise Damaged("a tensor in it has no shape")
    count = math.prod(size)
    last = offset + sum((n - 1) * stride for n, stride in zip(size, strides))
    if len(size) != len(strides) or count > storage.count or (count and last >= storage.count):
        raise Damaged(f"a tensor in it goes on beyond storage {storage.key[:60]!r}")
    return tensor


def _array(tensor: Tensor, elements: bytes, byte_order: str) -> np.ndarray:
    storage, offset, size, strides = tensor
    dtype = np.dtype(byte_order + FLOATS[storage.kind])
    if (storage.first + storage.count) * dtype.itemsize > len(elements):
        raise Damaged(f"storage {storage.key[:60]!r} is shorter than it says")
    place = (storage.first + offset) * dtype.itemsize if math.prod(size) else 0
    byte_strides = tuple(stride * dtype.itemsize for stride in strides)
    view = np.ndarray(size, dtype, elements, place, byte_strides)
    array = view.astype(dtype.newbyteorder("="), order="C")
    if storage.kind == "BFloat16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array


def _metadata(content: bytes | None) -> dict[str, str]:
    try:
        metadata = {} if content is None else json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"its record {METADATA} is damaged") from error
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Damaged(f"its record {METADATA} is damaged")
    return metadata


# -- writing -----------------------------------------------------------------------------------


def save(
    path: Path,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, str],
    bfloat16: Container[str] = (),
) -> None:
    """Write a file that torch.load(path, weights_only=True) reads, in the form since PyTorch 1.6.

    PyTorch gets an OrderedDict of tensors. It ignores the metadata, which are a further record of
    the archive.

    Args:
        arrays: float16, float32 or float64, by name.
        bfloat16: names of float32 arrays to be stored as bfloat16, which they are rounded to.

    Raises:
        OSError: it cannot be written; a file that was there before is unchanged.
    """
    stored = {name: _storage(array, name in bfloat16) for name, array in arrays.items()}
    code = b"".join(_code(arrays, {name: kind for name, (kind, _) in stored.items()}))
    records: dict[str, bytes | memoryview] = {"data.pkl": code, "byteorder": b"little"}
    for number, (_, elements) in enumerate(stored.values()):
        records[f"data/{number}"] = elements.reshape(-1).view(np.uint8).data
    records |= {"version": b"3\n", METADATA: json.dumps(metadata).encode()}
    with files.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in records.items():
            # A fixed date, so that the same network is the same file.
            entry = zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0))
            entry.file_size = len(content)
            with archive.open(entry, "w") as record:
                record.write(content)


def _storage(array: np.ndarray, as_bfloat16: bool) -> tuple[str, np.ndarray]:
    """The kind of its storage, and the elements as they lie in the file."""
    if as_bfloat16:
        nearest = np.ascontiguousarray(io.rounded(array, "bfloat16"))
        return "BFloat16", (nearest.view(np.uint32) >> 16).astype("<u2")
    kinds = {np.dtype(code): kind for kind, code in FLOATS.items()}
    return kinds[array.dtype], np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _code(arrays: dict[str, np.ndarray], kinds: dict[str, str]) -> Iterator[bytes]:
    """The pickle of an OrderedDict of tensors: for each the call that PyTorch makes of it."""
    ordered_dict = b"ccollections\nOrderedDict\n" + _pickled(()) + pickle.REDUCE
    yield pickle.PROTO + b"\x02" + ordered_dict + pickle.MARK
    for number, (name, array) in enumerate(arrays.items()):
        strides = tuple(math.prod(array.shape[i + 1 :]) for i in range(array.ndim))
        yield _pickled(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + pickle.MARK
        yield pickle.MARK + _pickled("storage") + f"ctorch\n{kinds[name]}Storage\n".encode()
        yield _pickled(str(number)) + _pickled("cpu") + _pickled(array.size)
        yield pickle.TUPLE + pickle.BINPERSID
        yield _pickled(0) + _pickled(array.shape) + _pickled(strides) + _pickled(False)
        yield ordered_dict + pickle.TUPLE + pickle.REDUCE
    yield pickle.SETITEMS + pickle.STOP


def _pickled(value: Any) -> bytes:
    """The instructions that put a simple value on the stack."""
    return pickle.dumps(value, 2)[len(pickle.PROTO) + 1 : -len(pickle.STOP)]
