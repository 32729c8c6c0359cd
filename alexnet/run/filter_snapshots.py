"""conv1's kernels after every epoch, which show how they developed; they are small enough to keep.

A run folder has them in filters/, one NumPy file an epoch; epoch 0 is before the first step.
"""

import re
from pathlib import Path

import numpy as np

from alexnet import files
from alexnet.errors import CheckpointError, UsageError

FOLDER = "filters"
_NAME = re.compile(r"epoch_(\d{4,})\.npy")


def save(folder: Path, epoch: int, kernels: np.ndarray) -> None:
    """Write the kernels (C, 3, KH, KW) of an epoch; the file appears complete or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with files.replacing(folder / FOLDER / f"epoch_{epoch:04d}.npy") as temporary:
        with open(temporary, "wb") as file:
            np.save(file, kernels, allow_pickle=False)


def delete_after(folder: Path, epoch: int) -> None:
    """Delete the kernels of later epochs, which an interrupted run may have left."""
    for later, path in _files(folder).items():
        if later > epoch:
            path.unlink()


def load(folder: Path) -> dict[int, np.ndarray]:
    """The kernels (C, 3, KH, KW) of a run folder by epoch, in order; empty if none were kept.

    Raises:
        CheckpointError: a file is damaged.
    """
    kernels = {}
    for epoch, path in sorted(_files(folder).items()):
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise CheckpointError(f"{path} is damaged: {error}; delete it") from error
        if array.ndim != 4 or array.shape[1] != 3 or array.dtype.kind != "f":
            raise CheckpointError(f"{path} does not hold kernels (C, 3, KH, KW); delete it")
        if kernels and array.shape != next(iter(kernels.values())).shape:
            raise CheckpointError(f"{path} has kernels of another shape than the epochs before it")
        kernels[epoch] = array
    return kernels


def require(folder: Path, shape: tuple[int, ...]) -> dict[int, np.ndarray]:
    """As `load`, but having none, or those of a network with another conv1, is an error."""
    kernels = load(folder)
    if not kernels:
        raise CheckpointError(
            f"{folder} has no kernels of its epochs: train with --snapshot-filters to keep them"
        )
    if next(iter(kernels.values())).shape != shape:
        raise CheckpointError(f"the kernels in {folder} are not those of this network's conv1")
    return kernels


def of_epoch(kernels: dict[int, np.ndarray], epoch: int) -> np.ndarray:
    """The kernels of one epoch.

    Raises:
        UsageError: they were not kept.
    """
    if epoch not in kernels:
        raise UsageError(
            f"the kernels of epoch {epoch} were not kept, but those of {min(kernels)} to "
            f"{max(kernels)}"
        )
    return kernels[epoch]


def _files(folder: Path) -> dict[int, Path]:
    matches = ((_NAME.fullmatch(path.name), path) for path in (folder / FOLDER).glob("*.npy"))
    return {int(match[1]): path for match, path in matches if match}
