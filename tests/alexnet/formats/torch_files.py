"""Files of PyTorch in both forms, whole and hostile, made without PyTorch."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from alexnet.formats import torch_file
from alexnet.formats.torch_records import LEGACY_VERSION, MAGIC_NUMBER


def arrays(seed=0):
    """Parameters of no network: three types, an empty one, and one without dimensions."""
    rng = np.random.default_rng(seed)
    return {
        "features.0.weight": rng.normal(size=(4, 3, 2, 2)).astype(np.float32),
        "features.0.bias": rng.normal(size=4).astype(np.float16),
        "classifier.1.weight": rng.normal(size=(2, 5)),
        "empty": np.empty((0, 3), np.float32),
        "scalar": np.array(0.5, np.float32),
    }


def code_of(parameters):
    """The pickle of a file, whose storages have the keys "0", "1", ..."""
    kinds = {name: torch_file._storage(array, False)[0] for name, array in parameters.items()}
    return b"".join(torch_file._code(parameters, kinds))


def elements_of(parameters):
    return {str(number): array.tobytes() for number, array in enumerate(parameters.values())}


def zip_bytes(code, elements, compression=zipfile.ZIP_STORED, **others):
    """An archive as torch.save writes it, with any pickle and any elements by their keys."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", code)
        for name, content in others.items():
            archive.writestr(f"archive/{name}", content)
        for key, content in elements.items():
            archive.writestr(f"archive/data/{key}", content)
    return file.getvalue()


def legacy_bytes(code, elements, itemsizes, keys=None):
    """The form from before PyTorch 1.6."""
    machine = {"protocol_version": LEGACY_VERSION, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(value, 2) for value in (MAGIC_NUMBER, LEGACY_VERSION, machine)]
    parts += [code, pickle.dumps(list(elements) if keys is None else keys, 2)]
    for (_, content), size in zip(elements.items(), itemsizes):
        parts += [struct.pack("<q", len(content) // size), content]
    return b"".join(parts)


def legacy_of(parameters):
    sizes = [array.itemsize for array in parameters.values()]
    return legacy_bytes(code_of(parameters), elements_of(parameters), sizes)


def write_zip(folder: Path) -> None:
    torch_file.save(folder / "parameters.pth", arrays(), {}, bfloat16=["features.0.weight"])


def write_legacy(folder: Path) -> None:
    (folder / "parameters.pth").write_bytes(legacy_of(arrays()))


def with_checksums(damaged: bytes) -> bytes:
    """A damaged archive whose records have the right checksums, so that they are looked at."""
    try:
        with zipfile.ZipFile(io.BytesIO(damaged)) as archive:
            entries = archive.infolist()
            contents = {}
            for entry in entries:
                entry.CRC = None  # unknown, which zipfile does not compare
                with archive.open(entry) as record:
                    contents[entry.filename] = record.read()
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, EOFError):
        return damaged
    except (struct.error, OSError, UnicodeError, IndexError):
        return damaged
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()
