"""The names of layers: those that somebody has given, or else those of `Module.named_modules`."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from minigrad.nn import Fused, Module

Names = WeakKeyDictionary[Module, str]
_known: Names = WeakKeyDictionary()


def name_layers(layers: Mapping[str, Module]) -> None:
    """Name layers for all traces of this process, as long as the layers exist."""
    give(_known, layers)


def give(names: Names, layers: Mapping[str, Module]) -> None:
    """Enter layers into `names`.

    Raises:
        TypeError: one of them is no Module.
    """
    for name, module in layers.items():
        if not isinstance(module, Module):
            raise TypeError(f"name_layers: {name!r} is a {type(module).__name__}, not a Module")
        names[module] = name


def dotted_names(outermost: Module) -> Mapping[Module, str]:
    """The modules below one that is called by nobody else, by their dotted names."""
    return {module: name for name, module in outermost.named_modules() if name}


def name_of(module: Module, given: Names, dotted: Mapping[Module, str]) -> str:
    """The name of a layer; that of two layers in one operation is "conv1 + relu1".

    A module without a name, such as the outermost one, is called by its class.
    """
    name = given.get(module) or _known.get(module)
    if name is None and isinstance(module, Fused):
        return " + ".join(name_of(layer, given, dotted) for layer in module.layers)
    return name or dotted.get(module) or type(module).__name__
