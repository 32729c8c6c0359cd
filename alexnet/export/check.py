"""Whether a file that was written holds the network, by the logits of the same images each time.

What reads the file and computes the logits is, where it is installed, the program that the file is
for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import CheckpointError
from alexnet.export import onnx_file, parity, pytorch
from alexnet.export.parity import Parity
from alexnet.formats.load import load
from alexnet.run.checkpoint import Checkpoint

PROGRAMS = {"onnxruntime": "onnxruntime", "torch": "PyTorch"}


def written(
    checkpoint: Checkpoint, saved: Checkpoint, path: Path, names: str, dtype: str
) -> Iterator[str]:
    """A line about each comparison of a file.

    Args:
        checkpoint: what was saved.
        saved: what the file holds, with rounded parameters.
        names, dtype: as for `alexnet.export.save.save`.

    Raises:
        CheckpointError: the file holds something else.
    """
    images = parity.demo_images(saved.preprocessing)
    if path.suffix.lower() == ".onnx":
        yield _line(lambda: onnx_file.compare(saved, path, images))
        return
    yield _line(lambda: _read_back(saved, path, images))
    if names == "torchvision":
        yield _line(lambda: pytorch.compare(saved, _tensors(path), images))
    if dtype != "float32":
        before = parity.logits(checkpoint, images)
        yield str(Parity.of("the network before rounding", before, parity.logits(saved, images)))


def _read_back(saved: Checkpoint, path: Path, images: np.ndarray) -> Parity:
    others = parity.logits(load(path), images)
    return Parity.of("the file as it is read back", parity.logits(saved, images), others)


def _tensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(path)


def _line(compare: Callable[[], Parity]) -> str:
    """The line about a comparison, or that there is none."""
    try:
        found = compare()
    except ImportError as error:
        program = PROGRAMS.get(error.name or "", error.name)
        return f"not compared with {program}, which is not installed"
    if not found.is_close:
        raise CheckpointError(f"the file would hold another network: {found}")
    return str(found)
