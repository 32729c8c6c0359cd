"""conv1's kernels after every epoch, small enough to keep: what they were like as they were learnt.

A run folder has them in filters/, one NumPy file an epoch; epoch 0 is before the first step.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet.errors import CheckpointError
from alexnet.model import learned_layers
from minigrad import nn

if TYPE_CHECKING:
    from alexnet.run.metrics import Row
    from alexnet.training.trainer import Step, Trainer

FOLDER = "filters"
_NAME = re.compile(r"epoch_(\d{4,})\.npy")


class FilterSnapshots:
    """An observer of a run that keeps conv1's weights, float32 (C, 3, KH, KW), of each epoch.

    Args:
        folder: of the run.
        epoch: complete epochs of the run so far. Kernels of later ones, which an interrupted run
            may have left, are deleted: they are going to be learnt again.
    """

    def __init__(self, folder: Path, epoch: int):
        self._folder = folder / FOLDER
        self._folder.mkdir(exist_ok=True)
        for later, path in _files(folder).items():
            if later > epoch:
                path.unlink()

    def keep(self, model: nn.Module, epoch: int) -> None:
        """Write the kernels of an epoch; the file appears complete or not at all."""
        path = self._folder / f"epoch_{epoch:04d}.npy"
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with open(temporary, "wb") as file:
                np.save(file, learned_layers(model)[0].weight.numpy(), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def after_step(self, trainer: "Trainer", step: "Step") -> None:
        pass

    def after_epoch(self, trainer: "Trainer", row: "Row") -> None:
        self.keep(trainer.model, row["epoch"])


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


def require(folder: Path) -> dict[int, np.ndarray]:
    """As `load`, but having none is an error."""
    kernels = load(folder)
    if not kernels:
        raise CheckpointError(
            f"{folder} has no kernels of its epochs: train with --snapshot-filters to keep them"
        )
    return kernels


def _files(folder: Path) -> dict[int, Path]:
    matches = ((_NAME.fullmatch(path.name), path) for path in (folder / FOLDER).glob("*.npy"))
    return {int(match[1]): path for match, path in matches if match}
