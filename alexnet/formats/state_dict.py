"""Parameters by name, as other programs hand them on, as a checkpoint.

The names and the shapes say which network it is. What images must become before they are its input
they do not say: torchvision's network has torchvision's preprocessing, for another one it is to be
given.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data import labels
from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.formats.given import Given
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn

# What programs put before every name: the wrappers of several GPUs, and of a compiled network.
PREFIXES = ("module.", "_orig_mod.", "model.")
TITLES = {
    "alexnet": "the paper's AlexNet",
    "owt": "torchvision's AlexNet",
    "cifar": "cuda-convnet's network for CIFAR-10",
}

# Of torchvision's networks: the image is resized to 256 pixels for a crop of 224, and the colors,
# from 0 to 1, are standardized with these means and standard deviations.
TORCHVISION_RESIZE = 256 / 224
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The principal components of ImageNet's colors and their standard deviations in gray levels, as in
# many replications; only further training uses them.
IMAGENET_EIGENVECTORS = (
    (0.5675, 0.7192, 0.4009),
    (0.5808, -0.0045, -0.8140),
    (0.5836, -0.6948, 0.4203),
)
IMAGENET_DEVIATIONS = tuple(255 * math.sqrt(v) for v in (0.2175, 0.0188, 0.0045))


def checkpoint(path: Path, arrays: dict[str, np.ndarray], given: Given) -> Checkpoint:
    """The checkpoint of parameters that are those of an AlexNet.

    Args:
        path: of the file that they are from.
        arrays: by their names there; what is no array of floats is ignored.
        given: what the file does not say.

    Raises:
        CheckpointError: they are not, in one line that says what is missing, surplus, or of
            another shape; or it is not known how images become the network's input.
    """
    arrays = renamed(path, {n: a for n, a in arrays.items() if a.dtype.kind == "f"}, given.names)
    architecture, last_bias = _recognized(path, arrays)
    classes = named_classes(path, _class_count(arrays, last_bias), given.classes)
    preprocessing = _preprocessing(path, architecture, given)
    model = _parameters(path, arrays, architecture, len(classes), preprocessing.image_size)
    return Checkpoint(architecture, classes, preprocessing, model=model)


def overridden(path: Path, found: Checkpoint, given: Given) -> Checkpoint:
    """A checkpoint that says everything itself, with what is given instead.

    Raises:
        CheckpointError: it does not go with what is given.
    """
    if given.names:
        raise CheckpointError(f"{path} has this project's names: there is nothing to map")
    classes = found.classes
    if given.classes is not None:
        classes = named_classes(path, len(classes), given.classes)
    preprocessing = _changed(path, found.preprocessing, given)
    if preprocessing.image_size != found.preprocessing.image_size:
        shapes = _shapes(path, found.architecture, len(classes), preprocessing.image_size)
        _require_shapes(path, found.model, found.architecture, shapes, preprocessing.image_size)
    return replace(found, classes=classes, preprocessing=preprocessing)


# -- names and shapes --------------------------------------------------------------------------


def renamed(path: Path, arrays: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The arrays by our names, of NumPy or of another library.

    Raises:
        CheckpointError: the map of names does not go with them.
    """
    if unknown := [name for name in names if name not in arrays]:
        raise CheckpointError(
            f"{path} has no parameter {unknown[0]!r}, which the map of names has; it has "
            f"{_listed(list(arrays))}"
        )
    if names:
        new = [names.get(name, name) for name in arrays]
        if twice := [name for name in new if new.count(name) > 1]:
            raise CheckpointError(f"{path}: the map of names makes {twice[0]!r} of two parameters")
        return dict(zip(new, arrays.values()))
    for prefix in PREFIXES:
        if arrays and all(name.startswith(prefix) for name in arrays):
            arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return arrays


def _recognized(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    """The architecture whose parameters these are, and the name of its last bias.

    That most of the names and dimensions agree is enough: whoever has almost a network wants to
    know what is wrong with it.
    """
    agreeing, shapes = {}, {}
    for architecture in ARCHITECTURES:
        shapes[architecture] = _shapes(path, architecture)
        agreeing[architecture] = sum(
            name in arrays and arrays[name].ndim == len(shape)
            for name, shape in shapes[architecture].items()
        )
    best = max(agreeing, key=lambda name: agreeing[name])
    expected = shapes[best]
    if agreeing[best] <= len(expected) / 2:
        raise CheckpointError(
            f"{path} holds no AlexNet: of the {len(expected)} parameters of {TITLES[best]}, "
            f"{_listed(list(expected))}, it has {agreeing[best]}; it has {_listed(list(arrays))}; "
            "if only the names differ, give a map of names"
        )
    return best, list(expected)[-1]


def _class_count(arrays: dict[str, np.ndarray], last_bias: str) -> int:
    """As many as the last layer has outputs; the usual number where there is none."""
    return arrays[last_bias].size if last_bias in arrays else len(labels.words())


def _shapes(
    path: Path, architecture: str, classes: int = 1000, image_size: int | None = None
) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters of a network by name."""
    kind = ARCHITECTURES[architecture]
    try:
        with nn.init.skipped(take_keys=False):
            model = kind(classes, image_size or kind.default_image_size)
    except (ValueError, MemoryError) as error:
        raise CheckpointError(f"{path} holds no AlexNet: {error}") from error
    return {name: array.shape for name, array in model.state_dict().items()}


def _parameters(
    path: Path,
    arrays: dict[str, np.ndarray],
    architecture: str,
    classes: int,
    image_size: int,
) -> dict[str, np.ndarray]:
    """The network's parameters in its own order, float32."""
    shapes = _shapes(path, architecture, classes, image_size)
    _require_shapes(path, arrays, architecture, shapes, image_size)
    parameters = {}
    for name in shapes:
        with np.errstate(over="ignore"):  # to infinity, which whoever uses it is told of
            parameters[name] = np.ascontiguousarray(arrays[name], np.float32)
    return parameters


def _require_shapes(
    path: Path,
    arrays: dict[str, np.ndarray],
    architecture: str,
    shapes: dict[str, tuple[int, ...]],
    image_size: int,
) -> None:
    """Raise CheckpointError unless there is every parameter of a network, and no other one."""
    problems = []
    if missing := [name for name in shapes if name not in arrays]:
        problems.append(f"it lacks {_listed([f'{n} ({_x(shapes[n])})' for n in missing])}")
    if surplus := [name for name in arrays if name not in shapes]:
        problems.append(f"the network has no {_listed(surplus)}")
    both = [name for name in shapes if name in arrays]
    if other := [name for name in both if arrays[name].shape != shapes[name]]:
        differing = [f"{n} is {_x(arrays[n].shape)}, expected {_x(shapes[n])}" for n in other]
        problems.append(_listed(differing, "; "))
    if problems:
        raise CheckpointError(
            f"{path} does not fit {TITLES[architecture]} for {image_size}x{image_size} pixels: "
            f"{'; '.join(problems)}"
        )


def _x(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _listed(names: list[str], separator: str = ", ") -> str:
    """Names in a line, the first of many."""
    shown = [" ".join(name.split())[:60] for name in names[:3]]
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return separator.join([*shown, *more]) or "none"


# -- classes and preprocessing -----------------------------------------------------------------


def class_names(count: int) -> list[str]:
    """What outputs are called that nobody has named: ImageNet's synsets if there are as many.

    torchvision and Caffe have them in this order, which is that of their names.
    """
    synsets = list(labels.words())
    return synsets if count == len(synsets) else [f"class {number}" for number in range(count)]


def named_classes(path: Path, count: int, names: list[str] | None) -> list[str]:
    """The names of a file's classes: those given, or `class_names`.

    Raises:
        CheckpointError: their number is another one.
    """
    if names is None:
        return class_names(count)
    if len(names) != count:
        raise CheckpointError(f"{path} has {count:,} classes, and {len(names):,} names are given")
    return names


def _preprocessing(path: Path, architecture: str, given: Given) -> Preprocessing:
    size = given.image_size or ARCHITECTURES[architecture].default_image_size
    if architecture == "owt":
        return _changed(path, torchvision_preprocessing(size), given)
    if given.mean is None:
        raise CheckpointError(
            f"{path} does not say how images become the input of {TITLES[architecture]}: give "
            "--mean R,G,B and --std R,G,B, in gray levels of 0 to 255"
        )
    return _changed(path, Preprocessing(image_size=size, mean=given.mean), given)


def torchvision_preprocessing(image_size: int) -> Preprocessing:
    """What torchvision's networks expect, for images of any size."""
    mean, std = (np.array(values) * 255 for values in (TORCHVISION_MEAN, TORCHVISION_STD))
    return Preprocessing(
        image_size=image_size,
        resize=round(image_size * TORCHVISION_RESIZE),
        mean=tuple(mean.tolist()),
        scale=tuple((1 / std).tolist()),
        eigenvectors=IMAGENET_EIGENVECTORS,
        standard_deviations=IMAGENET_DEVIATIONS,
    )


def _changed(path: Path, preprocessing: Preprocessing, given: Given) -> Preprocessing:
    """Preprocessing with what is given of it instead."""
    if given.mean_image is not None:
        raise CheckpointError(f"{path}: a mean image goes with a .caffemodel only")
    changes: dict[str, Any] = {}
    if given.image_size not in (None, preprocessing.image_size):
        proportion = preprocessing.resize / preprocessing.image_size
        changes = {"image_size": given.image_size, "resize": round(given.image_size * proportion)}
    if given.mean is not None:
        changes |= {"mean": given.mean, "mean_image": None, "scale": 1.0}
    if given.std is not None:
        changes["scale"] = tuple(1 / deviation for deviation in given.std)
    try:
        return replace(preprocessing, **changes)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
