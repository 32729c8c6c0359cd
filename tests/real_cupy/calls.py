"""The calls of CuPy in the project's sources, found without running them."""

import ast
from collections.abc import Iterator
from pathlib import Path

# What CuPy is called in the sources: a name, or an attribute of a backend or device.
ALIASES = ("cupy", "xp", "_xp", "_cupy")


class Missing(Exception):
    """CuPy lacks a name."""


def calls(path: Path, cupy, nccl) -> Iterator[tuple[str, object, ast.Call | None]]:
    """The uses of CuPy's names in a file.

    Yields:
        the place, what the name stands for (a `Missing` if CuPy has no such name), and the call if
        it is called.
    """
    tree = ast.parse(path.read_text())
    roots = {**dict.fromkeys(ALIASES, cupy), "_nccl": nccl}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        known = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = _resolve(node.value, roots, known)
                # A name that stands for something else, too, is left out.
                name = node.targets[0].id
                known[name] = value if known.get(name, value) is value else None
        called = {id(node.func): node for node in ast.walk(function) if isinstance(node, ast.Call)}
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute):
                found = _resolve(node, roots, known)
                if found is not None and found not in (cupy, nccl):
                    place = f"{path.name}:{node.lineno}: {ast.unparse(node)}"
                    yield place, found, called.get(id(node))


def _resolve(node, roots, known):
    """The object that an expression stands for; an instance is represented by its class."""
    if isinstance(node, ast.Name):
        return known.get(node.id, roots.get(node.id))
    if isinstance(node, ast.Call):
        function = _resolve(node.func, roots, known)
        return function if isinstance(function, type) else None
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, roots, known)
        if node.attr in roots and owner is None:
            return roots[node.attr]
        if owner is None or isinstance(owner, Missing):
            return None  # unknown, or reported already
        try:
            return getattr(owner, node.attr)
        except AttributeError:
            return Missing(f"CuPy has no {ast.unparse(node)}")
    return None


def misfit(call: ast.Call, signature) -> str | None:
    """Why the arguments of a call do not fit a signature, as far as they are written out."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    keywords = {keyword.arg: None for keyword in call.keywords}
    if None in keywords:
        return None
    try:
        signature.bind(*call.args, **keywords)
    except TypeError as error:
        return str(error)
    return None
