"""What CuPy's functions and methods take, where NumPy's, which do the work, take more.

`tests/real_cupy` compares the tables with CuPy itself.
"""

import inspect


def _signatures(table: str) -> dict[str, inspect.Signature]:
    """Reads one `name(parameters)` a line."""
    functions = {}
    for line in table.strip().splitlines():
        exec(f"def {line.strip()}: ...", functions)
    return {
        name: inspect.signature(function)
        for name, function in functions.items()
        if name != "__builtins__"
    }


FUNCTIONS = _signatures("""
    concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind")
    stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind")
    broadcast_to(array, shape)
    where(condition, x=None, y=None)
    clip(a, a_min, a_max, out=None)
    sum(a, axis=None, dtype=None, out=None, keepdims=False)
    mean(a, axis=None, dtype=None, out=None, keepdims=False)
    max(a, axis=None, out=None, keepdims=False)
    min(a, axis=None, out=None, keepdims=False)
    amax(a, axis=None, out=None, keepdims=False)
    amin(a, axis=None, out=None, keepdims=False)
    prod(a, axis=None, dtype=None, out=None, keepdims=False)
    all(a, axis=None, out=None, keepdims=False)
    any(a, axis=None, out=None, keepdims=False)
    argmax(a, axis=None, *, out=None, keepdims=False)
    argmin(a, axis=None, *, out=None, keepdims=False)
    count_nonzero(a, axis=None)
    matmul(x1, x2, /, *, out=None, dtype=None, casting="same_kind")
    dot(a, b, out=None)
    tensordot(a, b, axes=2)
    moveaxis(a, source, destination)
    expand_dims(a, axis)
    squeeze(a, axis=None)
    transpose(a, axes=None)
    swapaxes(a, axis1, axis2)
    reshape(a, newshape, order="C")
    ravel(a, order="C")
    take_along_axis(a, indices, axis)
    take(a, indices, axis=None, out=None)
    cumsum(a, axis=None, dtype=None, out=None)
    flip(a, axis=None)
    tile(A, reps)
    searchsorted(a, v, side="left", sorter=None)
""")

METHODS = _signatures("""
    all(axis=None, out=None, keepdims=False)
    any(axis=None, out=None, keepdims=False)
    argmax(axis=None, out=None, *, keepdims=False)
    argmin(axis=None, out=None, *, keepdims=False)
    clip(min=None, max=None, out=None)
    cumsum(axis=None, dtype=None, out=None)
    dot(b, out=None)
    flatten(order="C")
    max(axis=None, out=None, keepdims=False)
    mean(axis=None, dtype=None, out=None, keepdims=False)
    min(axis=None, out=None, keepdims=False)
    prod(axis=None, dtype=None, out=None, keepdims=None)
    ravel(order="C")
    repeat(repeats, axis=None)
    reshape(*shape, order="C")
    round(decimals=0, out=None)
    squeeze(axis=None)
    std(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    sum(axis=None, dtype=None, out=None, keepdims=False)
    swapaxes(axis1, axis2)
    take(indices, axis=None, out=None)
    transpose(*axes)
    var(axis=None, dtype=None, out=None, ddof=0, keepdims=False)
    view(dtype=None)
""")

_UFUNCS = _signatures("""
    of_one(x, /, out=None, *, casting="same_kind", dtype=None)
    of_two(x1, x2, /, out=None, *, casting="same_kind", dtype=None)
""")


def of_ufunc(inputs: int) -> inspect.Signature:
    """That of an elementwise function of one or two arrays."""
    return _UFUNCS["of_one" if inputs == 1 else "of_two"]


def require(name: str, signature: inspect.Signature, args: tuple, kwargs: dict) -> None:
    """Raises TypeError where CuPy has no such arguments."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"cupy's {name}{signature}: {error}") from None
