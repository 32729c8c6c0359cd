"""The layers of a network: their names, what each makes of images, and what it costs.

Every command calls a layer by its kind and by the number of the convolution or fully connected
layer that it belongs to, as the paper counts them: conv1, relu1, norm1, pool1, conv2, ..., pool5,
fc6, relu6, drop6, ..., fc8. A stage is such a layer with its ReLU, under the name of the layer:
conv1 to conv5 and fc6 to fc8, the normalizations, and the poolings.
"""

import contextlib
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from alexnet.data.loader import Loader
from alexnet.errors import DivergedNetwork
from alexnet.model.layers import NORMS
from minigrad import Tensor, nn, no_grad, summary
from minigrad.backend import Backend
from minigrad.summary import LayerSummary

_LEARNED = (nn.Conv2d, nn.Linear)
ACTIVATIONS = (nn.ReLU, nn.Tanh)
_STAGE_KINDS = (*_LEARNED, *NORMS, nn.MaxPool2d, nn.AvgPool2d)
_SHORT_NAMES = {
    nn.Conv2d: "conv",
    nn.Linear: "fc",
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    **dict.fromkeys(NORMS, "norm"),
    nn.MaxPool2d: "pool",
    nn.AvgPool2d: "pool",
    nn.AdaptiveAvgPool2d: "avgpool",
    nn.Dropout: "drop",
}


def named_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that compute something, by name, in the order in which they are defined.

    That is the order in which the networks of this project apply them. Other kinds of layers are
    called by their type; a second one of a kind with the same number gets "_2" after its name.
    """
    layers: dict[str, nn.Module] = {}
    # A network without conv3 goes on with conv4.
    numbers = map(_number, getattr(model, "layer_names", ()))
    number = 0
    for _, module in model.named_modules():
        if list(module.named_children()):
            continue
        if isinstance(module, _LEARNED):
            number = next(numbers, number + 1)
        kind = type(module)
        name = base = f"{_SHORT_NAMES.get(kind, kind.__name__.lower())}{number}"
        count = 1
        while name in layers:
            count += 1
            name = f"{base}_{count}"
        layers[name] = module
    return layers


def _number(name: str) -> int:
    """4 of "conv4"."""
    return int(name.lstrip(string.ascii_letters))


def steps(model: nn.Module) -> list[nn.Module]:
    """The layers as the network applies them: two that are computed together are one `nn.Fused`."""
    if isinstance(model, nn.Sequential):
        children = list(model.steps)
    else:
        children = [child for _, child in model.named_children()]
    if isinstance(model, nn.Fused) or not children:
        return [model]
    return [step for child in children for step in steps(child)]


def stages(model: nn.Module) -> dict[str, nn.Sequential]:
    """The network cut into its stages: each takes what the one before it gives."""
    modules: dict[str, list[nn.Module]] = {}
    stage = ""
    between: list[nn.Module] = []  # flattening and dropout belong to the stage after them
    for name, module in named_layers(model).items():
        if isinstance(module, _STAGE_KINDS):
            stage = name
            modules[stage] = [*between, module]
            between = []
        elif isinstance(module, ACTIVATIONS):
            modules[stage].append(module)
        else:
            between.append(module)
    return {name: nn.Sequential(*parts) for name, parts in modules.items()}


def last_hidden(model: nn.Module) -> str:
    """The stage whose output the last layer classifies: fc7 of AlexNet."""
    return list(stages(model))[-2]


def up_to(model: nn.Module, layer: str) -> nn.Sequential:
    """The part of a network from its input to the output of a layer.

    Raises:
        ValueError: it has no such layer.
    """
    named = stages(model)
    if layer not in named:
        raise ValueError(f"the network has no layer {layer!r}; it has {', '.join(named)}")
    names = list(named)
    used = {module for name in names[: names.index(layer) + 1] for module in named[name]}
    parts: list[nn.Module] = []
    for step in steps(model):
        single = step.layers if isinstance(step, nn.Fused) else (step,)
        kept = [module for module in single if module in used]
        parts += [step] if len(kept) == len(single) else kept
    return nn.Sequential(*parts)


def activations(model: nn.Module, images: Tensor, layers: list[str]) -> dict[str, np.ndarray]:
    """The outputs of the stages asked for, for N prepared images: (N, C, H, W) or (N, C).

    The network is left in evaluation mode.

    Raises:
        DivergedNetwork: one of them is not finite.
    """
    model.eval()
    found = {}
    with no_grad():
        for name, stage in stages(model).items():
            images = stage(images)
            if name in layers:
                found[name] = images.numpy().copy()
                require_finite(found[name], name)
    return found


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """conv1, conv2, ... from input to output."""
    layers = named_layers(model).items()
    return {name: layer for name, layer in layers if isinstance(layer, nn.Conv2d)}


def columns(model: nn.Module, name: str) -> int:
    """The number of columns that compute a convolution's channels: 2 in the paper's network.

    If the convolution, or the next one, which takes its channels, has groups, the channels belong
    to the columns in equal parts and in order: the first 48 of conv1's 96 to column 1.
    """
    layers = convolutions(model)
    position = list(layers).index(name)
    return max(layer.groups for layer in list(layers.values())[position : position + 2])


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within this block no gradients are computed for the parameters."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


def require_finite(output: np.ndarray, layer: str) -> None:
    """Raise DivergedNetwork unless all numbers of a layer are finite."""
    if not np.isfinite(output).all():
        raise DivergedNetwork(
            f"the network gives numbers in {layer} that are not finite: its training diverged"
        )


def outputs(
    model: nn.Module, images: Any, dropout: bool = False
) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Send a prepared batch (N, 3, S, S) through the layers one by one, as in evaluation.

    Args:
        dropout: as in training.

    Look at an output before asking for the next one: a ReLU may overwrite it.
    """
    was_training = model.training
    model.train(dropout)
    try:
        with no_grad():
            values = Tensor(images)
            for name, layer in named_layers(model).items():
                values = layer(values)
                yield name, layer, values
    finally:
        model.train(was_training)


def sample_batch(loader: Loader, count: int, backend: Backend) -> tuple[Any, np.ndarray]:
    """A few images of a loader's set, in random order and without augmentation.

    Returns:
        the network's input (N, 3, S, S) with N at most `count`, and the labels (N,).
    """
    few = Loader(
        loader.dataset,
        loader.preprocessing,
        min(count, len(loader.dataset)),
        shuffle=True,
        workers=0,
    )
    with contextlib.closing(few.batches(epoch=0)) as batches:
        images = next(batches)
    return images.prepare(backend), images.labels


def layer_costs(model: nn.Module, image_size: int) -> list[LayerSummary]:
    """What every layer gives and costs for one image while the network learns.

    As `minigrad.summary` counts it, with the names of `named_layers` and shapes without the batch.
    """
    was_training = model.training
    model.train()
    try:
        found = summary(model, (1, 3, image_size, image_size))
    finally:
        model.train(was_training)
    layers = {layer.name: layer for layer in found.layers}
    positions = {module: name for name, module in model.named_modules()}
    costs = []
    for name, module in named_layers(model).items():
        layer = layers[positions[module]]
        shape = layer.output_shape and layer.output_shape[1:]
        costs.append(replace(layer, name=name, output_shape=shape))
    return costs
