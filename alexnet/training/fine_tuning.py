"""Starting a run from the parameters of another one, whose classes may differ.

The preprocessing goes with the parameters: a network trained on images with one mean and scale
fails on images with another.
"""

from typing import Any

from alexnet.errors import CheckpointError
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn


def inherited_settings(pretrained: Checkpoint) -> dict[str, Any]:
    """The settings of a run, by name, that the checkpoint it begins with decides."""
    preprocessing, scale = pretrained.preprocessing, pretrained.preprocessing.scale
    return {
        "arch": pretrained.architecture,
        "network": pretrained.network or None,
        "image_size": preprocessing.image_size,
        "resize": preprocessing.resize,
        "scale": list(scale) if isinstance(scale, tuple) else scale,
        "mean": "channel" if preprocessing.mean_image is None else "image",
    }


def initialize(model: nn.Module, pretrained: Checkpoint, classes: list[str]) -> str:
    """Copy every parameter whose name and shape fit; the last layer only for the same classes.

    Returns:
        what was taken and what was not, in one line.

    Raises:
        CheckpointError: what does not fit is more than the last layer.
    """
    own, other = model.state_dict(), pretrained.model
    last_layer = list(own)[-1].rpartition(".")[0] + "."
    differing = sorted(
        name
        for name in own.keys() | other.keys()
        if name not in own or name not in other or own[name].shape != other[name].shape
    )
    if body := [name for name in differing if not name.startswith(last_layer)]:
        name, others = body[0], f" (and {len(body) - 1} more)" if len(body) > 1 else ""
        raise CheckpointError(
            f"the checkpoint does not fit the network: {name} is {_shape(other, name)} in the "
            f"checkpoint and {_shape(own, name)} in the network{others}"
        )
    same_classes = pretrained.classes == classes
    taken = {
        name: array
        for name, array in other.items()
        if name not in differing and (same_classes or not name.startswith(last_layer))
    }
    model.load_state_dict(own | taken)
    line = f"{len(taken)} of {len(own)} parameters taken"
    if left := [name for name in own if name not in taken]:
        line += f"; {', '.join(left)} reinitialized: the classes are not those of the checkpoint"
    return line


def _shape(arrays: dict[str, Any], name: str) -> str:
    return "x".join(map(str, arrays[name].shape)) if name in arrays else "missing"
