"""Where a number of a trained network comes from, for an image."""

import math
from collections.abc import Sequence

import numpy as np

from alexnet.data.labels import caption
from alexnet.errors import UsageError
from alexnet.explain import gradients, kernel_values, outputs
from alexnet.explain.explanation import Account, Explanation, Index, Line, Term, largest, place
from alexnet.explain.passes import LOSS, Layer, Passes
from alexnet.inference import inputs
from alexnet.inference.inputs import UNKNOWN, Input
from alexnet.inference.trained import Trained
from alexnet.visualize.pictures import Picture, Prepared
from alexnet.visualize.receptive_fields import Box, receptive_field, windows
from minigrad import nn


def prepared(trained: Trained, image: Input) -> Prepared:
    """An image as the network takes it, and as it sees it.

    Raises:
        BadImage: it cannot be used.
    """
    preprocessing = trained.checkpoint.preprocessing
    (batch,) = inputs.batches([image], preprocessing, 1, 1, 1, inputs.raise_error)
    pixels = trained.device.images(batch.prepare(trained.device))
    name = "standard input" if image.name == inputs.STANDARD_INPUT else image.name
    return Prepared(0, name, Picture(batch.crop(0), image.label), pixels)


def passes_for(trained: Trained, image: Prepared, label: int | None = None) -> Passes:
    """An image through a network on the CPU.

    Args:
        label: the class whose cross-entropy is the loss; by default that of the image, or else the
            most probable one.
    """
    if label is None and image.picture.label != UNKNOWN:
        label = image.picture.label
    return Passes(trained.model, image.inputs, label)


def explain(
    passes: Passes,
    image: Prepared,
    classes: Sequence[str],
    layer: str,
    index: Sequence[int | None] = (),
    *,
    gradient: bool = False,
) -> Explanation:
    """Where one number of a network comes from.

    Args:
        passes: of the image.
        classes: the names of the network's classes.
        layer: a name of `passes.layers`, or "loss".
        index: channel, row and column; or the unit. What is missing or None is taken from the
            largest output of the layer.
        gradient: explain the gradient of the loss to it, too.

    Raises:
        UsageError: there is no such layer or output.
    """
    whole = Box(0, 0, *image.picture.pixels.shape[:2])
    common = image.name, image.picture
    known = classes, passes.label
    if layer == LOSS:
        if any(part is not None for part in index):
            raise UsageError("the loss is one number: it has no channel and no position")
        account = _loss(passes, classes)
        back = _gradient_to_loss() if gradient else None
        return Explanation(LOSS, (), "", (), *common, whole, *known, account, back)
    found = require_layer(passes, layer)
    at = require_index(found, index)
    where = place(at)
    if passes.next_layer(layer) is None:
        where += f", the score of class {caption(classes[at[0]])}"
    return Explanation(
        layer,
        at,
        where,
        found.output.shape,
        *common,
        _box(passes, found, at, whole),
        *known,
        outputs.account(found, at),
        gradients.account(passes, found, at) if gradient else None,
    )


def require_layer(passes: Passes, name: str) -> Layer:
    """A layer by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in passes.layers:
        together = [n for n in passes.layers if n[-1:] == name[-1:]][:1]
        advice = f"; {together[0]} has it" if name.startswith(("relu", "tanh")) and together else ""
        names = ", ".join(passes.layers)
        raise UsageError(f"no layer {name!r}{advice}; choose from {names}")
    return passes.layers[name]


def require_index(layer: Layer, index: Sequence[int | None]) -> Index:
    """A place in the output of a layer, with what is missing taken from the largest output.

    Raises:
        UsageError: the layer has no such place.
    """
    shape = layer.output.shape
    names = ("channel", "row", "column") if len(shape) == 3 else ("unit",)
    given = [*index, *[None] * (len(shape) - len(index))]
    if len(given) > len(shape):
        parts = "a unit only" if len(shape) == 1 else "channel, row and column"
        raise UsageError(f"{layer.name} has the shape {'x'.join(map(str, shape))}: give {parts}")
    for name, value, size in zip(names, given, shape):
        if value is not None and not 0 <= value < size:
            raise UsageError(f"{layer.name} has no {name} {value}: they go from 0 to {size - 1}")
    part = layer.output[tuple(slice(None) if n is None else slice(n, n + 1) for n in given)]
    first = np.unravel_index(np.argmax(part), part.shape)
    return tuple(int(at) if n is None else n for n, at in zip(given, first))


def _box(passes: Passes, layer: Layer, index: Index, whole: Box) -> Box:
    """The pixels of the image that an output depends on."""
    if len(index) != 3 or isinstance(layer.module, nn.AdaptiveAvgPool2d):
        return whole
    modules = []
    for step in passes.layers.values():
        modules.append(step.module)
        if step is layer:
            break
    return receptive_field(windows(modules), index[1], index[2], whole.bottom)


def _loss(passes: Passes, classes: Sequence[str]) -> Account:
    """How the cross-entropy of the class scores comes about."""
    scores = passes.scores.astype(np.float64)
    top = float(scores.max())
    powers = np.exp(scores - top)
    total = math.fsum(powers)
    own = float(scores[passes.label])
    exact = top + math.log(total) - own
    last = list(passes.layers)[-1]
    names = [caption(name) for name in classes]
    names[passes.label] += " (the class of the loss)"
    columns = "class", "score", "probability", "power"
    parts = zip(names, scores, powers / total, powers)
    terms = [Term(name, *map(float, numbers)) for name, *numbers in parts]
    kernels = kernel_values.cross_entropy(passes.scores, passes.label)
    return Account(
        kernels[1].value,
        f"-log of the probability of class {passes.label}; probabilities are e^score, divided by "
        f"the sum over all {len(classes):,} classes (softmax of {last})",
        (
            Line("the largest score, which is subtracted from all", top),
            Line("the sum of e^(score - largest)", total),
            Line("its logarithm", math.log(total)),
            Line("score of the class - largest", own - top),
            Line("the loss: the logarithm minus that", exact),
        ),
        terms=largest("e^(score - largest)", columns, terms, len(terms)),
        kernels=kernels,
        exact=exact,
    )


def _gradient_to_loss() -> Account:
    return Account(
        np.float32(1),
        "the gradient of the loss to itself, with which the backward pass begins",
        (Line("the gradient", 1.0),),
        exact=1.0,
    )
