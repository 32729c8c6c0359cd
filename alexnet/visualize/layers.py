"""The layers of a network by the names of the paper, and what they answer to images.

conv1 to conv5 are the convolutions with their ReLU, norm1 and norm2 the normalizations, pool1,
pool2 and pool5 the poolings; fc6 and fc7 are the hidden layers with their ReLU, fc8 the class scores.
"""

import numpy as np

from alexnet.errors import CheckpointError
from alexnet.inference.layers import steps
from minigrad import Tensor, nn, no_grad

_PREFIXES = {nn.Conv2d: "conv", nn.Linear: "fc", nn.LocalResponseNorm: "norm", nn.MaxPool2d: "pool"}


def stages(model: nn.Module) -> dict[str, nn.Sequential]:
    """The network cut into its named layers: each takes what the one before it gives."""
    modules: dict[str, list[nn.Module]] = {}
    name, number = "", 0
    between: list[nn.Module] = []  # flattening and dropout belong to the layer after them
    for _, module in model.named_modules():
        if type(module) in _PREFIXES:
            number += isinstance(module, nn.Conv2d | nn.Linear)
            name = f"{_PREFIXES[type(module)]}{number}"
            modules[name] = [*between, module]
            between = []
        elif isinstance(module, nn.ReLU):
            modules[name].append(module)
        elif not list(module.named_children()):
            between.append(module)
    return {name: nn.Sequential(*parts) for name, parts in modules.items()}


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
    """What each of the layers gives for N prepared images: (N, C, H, W), or (N, C) of fc6 to fc8.

    The network is left in evaluation mode.

    Raises:
        CheckpointError: one of them is not finite.
    """
    model.eval()
    outputs = {}
    with no_grad():
        for name, stage in stages(model).items():
            images = stage(images)
            if name in layers:
                outputs[name] = images.numpy().copy()
                require_finite(outputs[name], name)
    return outputs


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """conv1, conv2, ... from input to output."""
    layers = [module for module in model.features if isinstance(module, nn.Conv2d)]
    return {f"conv{number}": layer for number, layer in enumerate(layers, start=1)}


def columns(model: nn.Module, name: str) -> int:
    """In how many columns the channels of a layer are computed: 2 in the paper's network.

    Where a layer, or the one that takes its channels, has groups, its channels belong to the
    columns in equal parts and in order: of conv1's 96, the first 48 to column 1.
    """
    layers = list(convolutions(model).values())
    number = int(name.removeprefix("conv")) - 1
    return max(layer.groups for layer in layers[number : number + 2])


def require_finite(output: np.ndarray, layer: str) -> None:
    """Raise CheckpointError unless all numbers of a layer are finite."""
    if not np.isfinite(output).all():
        raise CheckpointError(
            f"the network gives numbers in {layer} that are not finite: its training diverged"
        )
