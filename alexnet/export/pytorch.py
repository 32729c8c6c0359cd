"""The network of a checkpoint in PyTorch: as lines of code, and what PyTorch computes with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.export.parity import Parity, logits, prepared
from alexnet.formats import state_dict, torch_file
from alexnet.formats.load import HEAD_BYTES
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn

# Layers that PyTorch does not have, by the names that they have here.
CLASSES = {
    "ColumnNorm": """\
class ColumnNorm(nn.Module):
    def __init__(self, columns, size, alpha, beta, k):
        super().__init__()
        self.columns = columns
        self.norm = nn.LocalResponseNorm(size, alpha, beta, k)

    def forward(self, input):
        return torch.cat([self.norm(column) for column in input.chunk(self.columns, dim=1)], dim=1)
""",
    "WithinChannelNorm": """\
class WithinChannelNorm(nn.Module):
    def __init__(self, size, alpha, beta, k):
        super().__init__()
        self.mean = nn.AvgPool2d(size, stride=1, padding=size // 2)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input):
        return input / (self.k + self.alpha * self.mean(input * input)) ** self.beta
""",
    "ConstantNorm": """\
class ConstantNorm(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, input):
        return input * self.gain
""",
}
IMPORTS = "from collections import OrderedDict\n\nimport torch\nfrom torch import nn\n"


def code(model: nn.Module) -> str:
    """Statements that make the same network, with other parameters, and call it `network`.

    They follow the layers of the model, so they hold for every variant of it, and its parameters
    have the names that they have here. Layers that PyTorch does not have come first, as classes.
    They need `IMPORTS`.
    """
    kinds = dict.fromkeys(type(layer).__name__ for _, layer in model.named_modules())
    classes = "".join(f"\n{CLASSES[kind]}\n" for kind in kinds if kind in CLASSES)
    lines = ["network = nn.Sequential(", "    OrderedDict("]
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential):
            layers = [f"            {_layer(layer)}," for layer in child]
            lines += [f"        {name}=nn.Sequential(", *layers, "        ),"]
        else:
            lines.append(f"        {name}={_layer(child)},")
    network = "\n".join([*lines, "    )", ")"]) + "\n"
    return f"{classes}\n{network}" if classes else network


def _layer(layer: nn.Module) -> str:
    if isinstance(layer, nn.ReLU):
        return "nn.ReLU()"
    # All others are described by the arguments of their namesakes.
    return repr(layer) if type(layer).__name__ in CLASSES else f"nn.{layer!r}"


def compare(checkpoint: Checkpoint, parameters: Mapping[str, Any], images: np.ndarray) -> Parity:
    """The network's logits beside those that PyTorch computes.

    Args:
        parameters: tensors of PyTorch by our names, see `read`.
        images: uint8 (N, S, S, 3), the pixels of N crops.

    Raises:
        ImportError: PyTorch is not installed.
        RuntimeError: PyTorch's network has other parameters.
    """
    import torch

    namespace: dict[str, Any] = {}
    # The very lines that users are shown. What a file decides in them are numbers, which the
    # constructor of the network has checked.
    exec(IMPORTS + code(checkpoint.build()), namespace)
    network = namespace["network"].eval()
    network.load_state_dict(parameters)
    inputs = np.ascontiguousarray(prepared(checkpoint.preprocessing, images))
    with torch.no_grad():
        others = network(torch.from_numpy(inputs)).numpy()
    return Parity.of(f"PyTorch {torch.__version__}", logits(checkpoint, images), others)


def read(path: Path, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The tensors in a file by our names, as PyTorch reads them.

    Args:
        path: a .safetensors file with plain names, or what torch.save has written.
        names: our name of a parameter by the name that it has in the file.

    Raises:
        ImportError: PyTorch is not installed.
        Exception: PyTorch cannot read the file.
    """
    import torch

    with open(path, "rb") as file:
        is_pickled = torch_file.recognizes(file.read(HEAD_BYTES))
    if is_pickled:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    else:
        from safetensors.torch import load_file

        contents = load_file(path)
    for place in torch_file.PLACES:
        if isinstance(contents.get(place), dict):
            contents = contents[place]
            break
    tensors = {
        name: value
        for name, value in contents.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    return state_dict.renamed(path, tensors, dict(names or {}))
