"""What an optimizer can be given as its parameters, as in PyTorch."""

from collections.abc import Iterable
from typing import Any

from minigrad.tensor import Tensor


def make_groups(optimizer: str, parameters: Any, defaults: dict) -> list[dict[str, Any]]:
    """The parameter groups, each with a list "params" of leaf tensors and with every option.

    Raises:
        TypeError, ValueError: see `Optimizer`; the messages begin with `optimizer`.
    """
    given = _as_list(optimizer, "parameters", parameters)
    if not given:
        raise ValueError(
            f"{optimizer}: got no parameters; an iterator such as model.parameters() gives them "
            "only once"
        )
    if not isinstance(given[0], dict):
        given = [{"params": given}]
    groups = [_make_group(optimizer, group, defaults) for group in given]
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    if len(set(listed)) != len(listed):
        raise ValueError(f"{optimizer}: a parameter is listed twice")
    return groups


def _make_group(optimizer: str, group: Any, defaults: dict) -> dict[str, Any]:
    if not isinstance(group, dict) or "params" not in group:
        raise TypeError(
            f'{optimizer}: a group is a dictionary {{"params": [...], ...}}, got '
            f"{type(group).__name__}"
        )
    unknown = set(group) - set(defaults) - {"params"}
    if unknown:
        raise ValueError(
            f"{optimizer}: unknown option {sorted(unknown)} in a group; expected {sorted(defaults)}"
        )
    given = group["params"]
    given = [given] if isinstance(given, Tensor) else _as_list(optimizer, '"params"', given)
    return {**defaults, **group, "params": [_leaf(optimizer, item) for item in given]}


def _as_list(optimizer: str, name: str, values: Any) -> list:
    """The items of a list, a generator or another collection with an order."""
    is_collection = isinstance(values, Iterable) and not isinstance(values, Tensor | dict | str)
    if not is_collection or isinstance(values, set | frozenset):
        raise TypeError(
            f"{optimizer}: {name} must be a list of tensors, or another collection with an order "
            f"such as model.parameters(), got {type(values).__name__}"
        )
    return list(values)


def _leaf(optimizer: str, item: Any) -> Tensor:
    """A tensor that can be updated; `named_parameters` gives it with its name."""
    is_named = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
    parameter = item[1] if is_named else item
    if not isinstance(parameter, Tensor):
        raise TypeError(
            f"{optimizer}: a parameter must be a Tensor, got {type(parameter).__name__}"
        )
    if not parameter.is_leaf:
        raise ValueError(
            f"{optimizer}: a tensor of shape {parameter.shape} is not a leaf, so that it gets no "
            "gradient: give the tensor that it is computed from, or detach it"
        )
    return parameter
