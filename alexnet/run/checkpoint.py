"""Checkpoints: a network, what it needs to be used, and what it needs to be trained further.

One safetensors file. Its tensors are called "model.<parameter>" and "optimizer.<state>", and
"preprocessing.mean_image" where a mean image is subtracted; its metadata hold the other fields
of `Checkpoint`, each as JSON, and a checksum of it all.

A file with plain names has only the parameters as tensors, under their names in the network, as
other programs expect them; a mean image is in its metadata, in base64.
"""

import base64
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, files
from alexnet.data.identity import difference
from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError, DataError, DivergedNetwork
from alexnet.model import ARCHITECTURES, require_variant
from minigrad import io, nn

# A program that knows only version 2 would take a file of version 3 for another network: it has the
# field `network`, parameters that are not float32, or plain names.
FORMAT_VERSION, NEWER_VERSION = "2", "3"
LAST, BEST = "last.safetensors", "best.safetensors"
MODEL, OPTIMIZER, MEAN_IMAGE = "model.", "optimizer.", "preprocessing.mean_image"
CHECKSUM_WITHOUT_OPTIMIZER = "checksum_without_optimizer"

_JSON_FIELDS = {
    "architecture": str,
    "classes": list,
    "preprocessing": dict,
    "arguments": dict,
    "data": dict,
    "training": dict,
    "schedule": dict,
    "random_keys": dict,
    "network": dict,
}


@dataclass
class Checkpoint:
    """A run between two of its steps, complete.

    Attributes:
        architecture: name of an entry of `alexnet.model.ARCHITECTURES`.
        classes: names in the order of the network's outputs.
        preprocessing: how images become the network's input.
        arguments: the settings of the run, by name; see `alexnet.training.settings`.
        data: what identifies the sets it was trained and validated on, see `alexnet.data.identity`.
        training: position in the run and running means, see `alexnet.training.state.TrainingState`.
        schedule: counters of the learning-rate schedule.
        random_keys: seed and number of random draws made, which decide all later ones.
        network: the arguments in which the network differs from the one that its architecture has
            by default, by name; see `variants` of its class.
        model, optimizer: arrays by name.
    """

    architecture: str
    classes: list[str]
    preprocessing: Preprocessing
    arguments: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    random_keys: dict[str, int] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    model: dict[str, np.ndarray] = field(default_factory=dict)
    optimizer: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: Path, dtype: str = "float32", plain_names: bool = False) -> None:
        """Write the file; it appears complete or not at all.

        Args:
            dtype: of the parameters in the file: "float32", "float16" or "bfloat16", to which they
                are rounded; see `minigrad.io.rounded`.
            plain_names: call the parameters as the network does; there can be no optimizer then.

        Raises:
            OSError: it cannot be written; a file that was there before is unchanged.
        """
        arrays, metadata = self.packed(dtype, plain_names)
        parameters = [name for name in arrays if name.removeprefix(MODEL) in self.model]
        with files.replacing(path) as temporary:
            halved = parameters if dtype == "bfloat16" else []
            io.save(temporary, arrays, metadata, bfloat16=halved)

    def packed(
        self, dtype: str = "float32", plain_names: bool = False
    ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """The arrays and the metadata of a file, for the arguments of `save`."""
        values = {name: getattr(self, name) for name in _JSON_FIELDS}
        values["preprocessing"] = self.preprocessing.to_metadata()
        is_newer = bool(self.network) or dtype != "float32" or plain_names
        if not is_newer:
            del values["network"]
        metadata = {name: json.dumps(value) for name, value in values.items()}
        metadata["format_version"] = NEWER_VERSION if is_newer else FORMAT_VERSION
        prefix = "" if plain_names else MODEL
        arrays = {f"{prefix}{name}": array for name, array in self.model.items()}
        if dtype != "float32":
            arrays = {name: io.rounded(array, dtype) for name, array in arrays.items()}
        arrays |= {f"{OPTIMIZER}{name}": array for name, array in self.optimizer.items()}
        mean_image = self.preprocessing.mean_image
        if mean_image is not None and plain_names:
            metadata[MEAN_IMAGE] = base64.b64encode(mean_image.astype("<f4").tobytes()).decode()
        elif mean_image is not None:
            arrays[MEAN_IMAGE] = mean_image
        # Two checksums, so that a network can be used without reading the optimizer's state.
        needed = {name: arrays[name] for name in arrays if not name.startswith(OPTIMIZER)}
        metadata[CHECKSUM_WITHOUT_OPTIMIZER] = _checksum(needed, metadata)
        metadata["checksum"] = _checksum(arrays, metadata)
        return arrays, metadata

    @classmethod
    def load(cls, path: Path, optimizer: bool = True) -> "Checkpoint":
        """Read a file that `save` wrote.

        Args:
            optimizer: False leaves out its arrays, half of the file or more; a network needs none.

        Raises:
            CheckpointError: it is missing, damaged, or from something else.
        """
        arrays, metadata = io.load(path, leave_out=None if optimizer else OPTIMIZER)
        return cls.unpacked(path, arrays, metadata, optimizer)

    @classmethod
    def unpacked(
        cls,
        path: Path,
        arrays: dict[str, np.ndarray],
        metadata: dict[str, str],
        optimizer: bool = True,
    ) -> "Checkpoint":
        """The inverse of `packed`.

        Args:
            path: of the file that arrays and metadata are from.
            optimizer: whether the arrays are complete, see `load`.

        Raises:
            CheckpointError: they are damaged, or from something else.
        """
        metadata = dict(metadata)
        version = metadata.get("format_version")
        if version not in (FORMAT_VERSION, NEWER_VERSION):
            raise CheckpointError(
                f"{path} is not a checkpoint that this version can read: its format version is "
                f"{version or 'missing'}, expected {FORMAT_VERSION} or {NEWER_VERSION}"
            )
        checksum = metadata.pop("checksum", None)
        if not optimizer:
            checksum = metadata.pop(CHECKSUM_WITHOUT_OPTIMIZER, None)
        if checksum != _checksum(arrays, metadata):
            raise CheckpointError(f"{path} is damaged: its checksum is not that of its contents")
        try:
            if version == FORMAT_VERSION:
                metadata["network"] = "{}"
            values = {name: json.loads(metadata[name]) for name in _JSON_FIELDS}
            for name, kind in _JSON_FIELDS.items():
                if not isinstance(values[name], kind):
                    raise ValueError(f"{name} is no {kind.__name__}")
            values["preprocessing"] = Preprocessing.from_metadata(
                values["preprocessing"], _mean_image(arrays, metadata, values["preprocessing"])
            )
            if values["architecture"] in ARCHITECTURES:  # `build` says which one it is otherwise
                require_variant(values["architecture"], values["network"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} has damaged metadata ({error})") from error
        model = _part(arrays, MODEL) or arrays  # plain names have no prefix
        if version == NEWER_VERSION:
            model = {name: array.astype(np.float32, copy=False) for name, array in model.items()}
        return cls(**values, model=model, optimizer=_part(arrays, OPTIMIZER))

    def converted(self, convert: Callable[[dict[str, Any]], dict[str, Any]]) -> "Checkpoint":
        """The same with what a function makes of the arrays of the network and the optimizer."""
        return replace(self, model=convert(self.model), optimizer=convert(self.optimizer))

    def build(self) -> nn.Module:
        """The network, as it was saved, ready to be used; on the CPU it shares the arrays.

        Raises:
            CheckpointError: its architecture is unknown, or its parameters do not fit.
        """
        try:
            with nn.init.skipped(take_keys=False):
                model = ARCHITECTURES[self.architecture](
                    len(self.classes), self.preprocessing.image_size, **self.network
                )
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"the checkpoint's network cannot be built: {error}") from error
        self.restore(model, assign=True)
        return model.eval()

    def is_complete(self, epochs: int, patience: int | None) -> bool:
        """Whether the run has nothing left to learn: all epochs, or those that patience allows."""
        epoch, best_epoch = self.training["epoch"], self.training["best_epoch"]
        return epoch >= epochs or (patience is not None and epoch - best_epoch >= patience)

    def require_run(self, path: Path) -> None:
        """Raise CheckpointError, which names the file, if its run cannot be continued from it."""
        if not self.schedule:
            raise CheckpointError(
                f"{path} holds a network alone, without what its training needs to go on; to train "
                f"it further, begin a new run with {cli.command('--init-from', path)}"
            )

    def require_finite(self, path: Path) -> None:
        """Raise DivergedNetwork, which names the file, unless all parameters are finite."""
        for name, weights in self.model.items():
            # A sum is finite only if every number is, and needs no memory.
            if not np.isfinite(weights.sum()):
                raise DivergedNetwork(
                    f"{path}: {name} has numbers that are not finite, its training diverged; "
                    "choose an earlier checkpoint"
                )

    def require(self, architecture: str, classes: list[str]) -> None:
        """Raise CheckpointError unless it has this architecture and these classes."""
        if self.architecture != architecture:
            raise CheckpointError(
                f"the checkpoint holds the network {self.architecture!r}, not {architecture!r}"
            )
        if len(self.classes) != len(classes):
            raise CheckpointError(
                f"the checkpoint has {len(self.classes)} classes, the data have {len(classes)}"
            )
        for index, (own, other) in enumerate(zip(self.classes, classes)):
            if own != other:
                advice = "; python -m alexnet.convert --classes FILE names the classes"
                raise CheckpointError(
                    f"class {index} is {own!r} in the checkpoint and {other!r} in the data"
                    f"{advice if own == f'class {index}' else ''}"
                )

    def require_data_roots(self) -> dict[str, str | None]:
        """The folders of the run's data by the names of their options; None where it has none.

        Raises:
            DataError: one is not there any more.
        """
        roots = {name: self.arguments.get(name) for name in ("data_root", "train_root", "val_root")}
        paths = (
            path for root in roots.values() if root is not None for path in files.several(root)
        )
        for root in paths:
            if not os.path.exists(root):
                seen = "" if os.path.isabs(root) else ", seen from where the run was started"
                given = [f"--{n.replace('_', '-')} DIR" for n in roots if roots[n] is not None]
                raise DataError(
                    f"{root}: no such file or folder, but the data of the run were there{seen}; "
                    f"if they were moved, give {' and '.join(given)}"
                )
        return roots

    def require_data(self, data: dict[str, dict[str, Any]], otherwise: str) -> None:
        """Raise CheckpointError unless the sets are those that the run started with.

        Args:
            data: `alexnet.data.identity.identity` of each set by name.
            otherwise: what else the user can do than bring the old set back.
        """
        for name, now in data.items():
            if changed := difference(self.data.get(name), now):
                raise CheckpointError(
                    f"the {name} set has changed since the run began: {changed}; bring the old "
                    f"one back, or {otherwise}"
                )

    def restore(self, model: nn.Module, assign: bool = False) -> None:
        """Copy the parameters into a network, or let it share them (`Module.load_state_dict`).

        Raises:
            CheckpointError: the network has other parameters.
        """
        try:
            model.load_state_dict(self.model, assign)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint does not fit the network: {error.args[0]}"
            ) from error


def find(path: Path, preferred: str, otherwise: str) -> Path:
    """The checkpoint that a path stands for: the file itself, or one of those of a run folder.

    Raises:
        CheckpointError: the folder has none.
    """
    if not os.path.isdir(path):  # which a name that no system has does not disturb
        return path
    for name in (preferred, otherwise):
        if (path / name).exists():
            return path / name
    raise CheckpointError(f"{path} is no run folder: neither {preferred} nor {otherwise} is in it")


def _mean_image(
    arrays: dict[str, np.ndarray], metadata: dict[str, str], preprocessing: dict[str, Any]
) -> np.ndarray | None:
    if MEAN_IMAGE not in metadata:
        return arrays.get(MEAN_IMAGE)
    size = preprocessing["image_size"]
    content = base64.b64decode(metadata[MEAN_IMAGE], validate=True)
    return np.frombuffer(content, "<f4").reshape(3, size, size).astype(np.float32)


def _checksum(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """CRC-32 of everything in the file, so that no flipped bit becomes a weight."""
    crc = 0
    for name, text in sorted(metadata.items()):
        crc = zlib.crc32(f"{name} {text}".encode(), crc)
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    return f"{crc:08x}"


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
