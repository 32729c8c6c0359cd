"""PyTorch's layers and networks with the settings and the weights of ours."""

import importlib
from types import ModuleType
from typing import Any

from alexnet.inference.layers import named_layers
from minigrad import nn


def import_torch() -> ModuleType | None:
    """PyTorch if it is installed; it is a yardstick, never a dependency."""
    try:
        return importlib.import_module("torch")
    except (ImportError, OSError):  # or one of its libraries is not there
        return None


def versions(torch: ModuleType | None) -> dict[str, str | None]:
    """The version of PyTorch by its name, None where it is not installed."""
    return {"torch": torch.__version__ if torch else None}


def layer(torch: ModuleType, module: nn.Module) -> Any:
    """PyTorch's layer with the settings and the weights of ours.

    Raises:
        TypeError: no such layer is known here.
    """
    peers, unfilled = torch.nn, torch.nn.utils.skip_init
    if isinstance(module, nn.Conv2d):
        twin = unfilled(
            peers.Conv2d,
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            module.stride,
            module.padding,
            dilation=module.dilation,
            groups=module.groups,
            bias=module.bias is not None,
        )
    elif isinstance(module, nn.Linear):
        has_bias = module.bias is not None
        twin = unfilled(peers.Linear, module.in_features, module.out_features, has_bias)
    elif isinstance(module, nn.MaxPool2d):
        window = module.kernel_size, module.stride, module.padding, module.dilation
        twin = peers.MaxPool2d(*window, ceil_mode=module.ceil_mode)
    elif isinstance(module, nn.LocalResponseNorm):
        twin = peers.LocalResponseNorm(module.size, module.alpha, module.beta, module.k)
    elif isinstance(module, nn.AdaptiveAvgPool2d):
        twin = peers.AdaptiveAvgPool2d(module.output_size)
    elif isinstance(module, nn.Dropout):
        twin = peers.Dropout(module.p)
    elif isinstance(module, nn.Flatten):
        twin = peers.Flatten(module.start_dim, module.end_dim)
    elif isinstance(module, nn.ReLU):
        twin = peers.ReLU(module.inplace)
    else:
        raise TypeError(f"no layer of PyTorch is known for {type(module).__name__}")
    for own, other in zip(module.parameters(), twin.parameters(), strict=True):
        other.data = torch.from_numpy(own.numpy()).clone()
    return twin


def network(torch: ModuleType, model: nn.Module, without_norm: bool = False) -> Any:
    """PyTorch's network of the same layers, in the order in which ours registers them.

    Each ReLU is in place, as in torchvision, also where ours is fused with a convolution.

    Args:
        without_norm: leave out local response normalization, which PyTorch has no fast kernel for.
    """
    layers = named_layers(model).values()
    kept = [m for m in layers if not (without_norm and isinstance(m, nn.LocalResponseNorm))]
    twins = [
        torch.nn.ReLU(inplace=True) if isinstance(module, nn.ReLU) else layer(torch, module)
        for module in kept
    ]
    return torch.nn.Sequential(*twins)
