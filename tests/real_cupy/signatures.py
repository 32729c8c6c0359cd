"""The parameters of CuPy's functions, compiled ones too, and whether they take what others take."""

import ast
import inspect
import re

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
UNKNOWN = object()  # a default value that the text of a signature does not tell


def signature_of(function) -> inspect.Signature | None:
    """From Python, or from the docstrings of compiled functions, which begin with it.

    Returns:
        None where neither has one.
    """
    if isinstance(function, type):
        return _from_python(function.__init__, drop_self=True) or _from_docstring(function)
    return _from_python(function) or _from_docstring(function)


def _from_python(function, drop_self=False):
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if drop_self or (parameters and parameters[0].name == "self"):
        parameters = parameters[1:]
    kinds = [parameter.kind for parameter in parameters]
    if kinds == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
        return None  # says nothing: a compiled class, or one whose docstring says more
    return inspect.Signature(parameters)


def _from_docstring(function):
    """`Class.name(self, int first, *, second=None) -> type`, as Cython and CuPy's ufuncs write."""
    first_line = (function.__doc__ or "").partition("\n")[0].replace("\\", "")
    match = re.match(r"[\w.]+\((.*)\)", first_line)
    if not match:
        return None
    parameters, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for text in map(str.strip, match[1].split(",")):
        if text == "/":
            before = inspect.Parameter.POSITIONAL_ONLY
            parameters = [parameter.replace(kind=before) for parameter in parameters]
        elif text.startswith("**"):
            parameters.append(inspect.Parameter(text[2:], inspect.Parameter.VAR_KEYWORD))
        elif text.startswith("*"):
            kind = inspect.Parameter.KEYWORD_ONLY
            if text != "*":
                parameters.append(inspect.Parameter(text[1:], inspect.Parameter.VAR_POSITIONAL))
        elif text and text != "self":
            parameters.append(_parameter(text, kind))
    return inspect.Signature(parameters)


def _parameter(text, kind):
    """`bool last=True`"""
    declaration, equals, default = text.partition("=")
    value = inspect.Parameter.empty
    if equals:
        try:
            value = ast.literal_eval(default)
        except (SyntaxError, ValueError):
            value = UNKNOWN
    return inspect.Parameter(declaration.split()[-1], kind, default=value)


def disagreements(ours: inspect.Signature, theirs: inspect.Signature) -> list[str]:
    """Which calls fit `ours` and not `theirs`, or mean something else there."""
    found = []
    expected = list(theirs.parameters.values())
    by_name = theirs.parameters
    kinds = {parameter.kind for parameter in expected}
    named = set()
    for position, parameter in enumerate(ours.parameters.values()):
        name, kind = parameter.name, parameter.kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            if kind not in kinds:
                found.append(f"takes no {parameter}")
            continue
        other = by_name.get(name)
        if kind in POSITIONAL:
            there = expected[position] if position < len(expected) else None
            if there is not None and there.kind in POSITIONAL:
                if kind == inspect.Parameter.POSITIONAL_ONLY:
                    other = there
                elif there.name != name:
                    found.append(f"has {there.name!r} where {name!r} should be")
                    continue
            elif inspect.Parameter.VAR_POSITIONAL in kinds:
                continue
            elif other is None or there is None:
                found.append(f"takes no {name!r} by its position")
                continue
        if other is None:
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                found.append(f"takes no {name!r}")
            continue
        named.add(other.name)
        if parameter.default is inspect.Parameter.empty:
            continue
        if other.default is inspect.Parameter.empty:
            found.append(f"needs {name!r}")
        elif other.default is not UNKNOWN and other.default != parameter.default:
            found.append(f"has {other.default!r}, not {parameter.default!r}, for {name!r}")
    return found + [
        f"needs {parameter.name!r}"
        for parameter in expected
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in (*POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
        and parameter.name not in named
    ]
