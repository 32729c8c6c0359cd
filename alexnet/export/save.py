"""One file of a network, in the form that the suffix of its name stands for."""

from pathlib import Path

from alexnet.errors import UsageError
from alexnet.export import onnx_file
from alexnet.export.slim import DTYPES, slim
from alexnet.formats import torch_file
from alexnet.run.checkpoint import Checkpoint

SUFFIXES = (".safetensors", ".pth", ".pt", ".onnx")
NAMES = ("own", "torchvision")


def save(
    checkpoint: Checkpoint, path: Path, *, names: str = "own", dtype: str = "float32"
) -> Checkpoint:
    """Write a network without what only continuing its run needs, and without paths.

    Args:
        path: ends in .safetensors, .pth or .pt for PyTorch, or .onnx.
        names: of the parameters in a .safetensors file. "own" is for this project. "torchvision" is
            what a PyTorch network of the same layers calls them, torchvision's for "owt"; a .pth
            file always has these.
        dtype: of the parameters in the file, "float32", "float16" or "bfloat16"; .onnx files have
            float32.

    Returns:
        what the file holds: the parameters are rounded to `dtype`.

    Raises:
        UsageError: the file cannot be of this form.
        OSError: it cannot be written; a file that was there before is unchanged.
    """
    require_form(path, names, dtype)
    saved = slim(checkpoint, dtype)
    match path.suffix.lower():
        case ".safetensors":
            saved.save(path, dtype, plain_names=names == "torchvision")
        case ".onnx":
            onnx_file.save(saved, path)
        case _:
            arrays, metadata = saved.packed(dtype, plain_names=True)
            halved = arrays if dtype == "bfloat16" else ()
            torch_file.save(path, arrays, metadata, bfloat16=halved)
    return saved


def require_form(path: Path, names: str = "own", dtype: str = "float32") -> None:
    """Raise UsageError unless there are files of this form."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    for what, value, known in (("names", names, NAMES), ("dtype", dtype, DTYPES)):
        if value not in known:
            raise UsageError(f"{what} must be {', '.join(known)}, got {value!r}")
    if suffix == ".onnx" and dtype != "float32":
        raise UsageError(f"{path}: an .onnx file has parameters of float32, not {dtype}")
    if suffix == ".onnx" and names != "own":
        raise UsageError(f"{path}: the names in an .onnx file are those of layers, not {names}'s")
