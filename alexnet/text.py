"""Names that others have chosen, in what the commands print and draw.

A class may be called anything that a folder can be called: a name may hold line breaks, escape
sequences of terminals, letters two columns wide, and bytes that are no text at all.
"""

import json
import re
import unicodedata
from typing import Any

from alexnet import cli

# XML 1.0, and so SVG, has no control characters, not even as escapes.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def percentage(share: float) -> str:
    """A probability in whole percents, as it is drawn where there is little room."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def drawable(text: str) -> str:
    """The text with a question mark for whatever pictures and HTML pages cannot hold."""
    return _NOT_IN_XML.sub("?", text)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON that every program can read, of dictionaries, lists, numbers and any text.

    Python's json would write half of a surrogate pair for a byte that is no text, and NaN. Here
    such a byte is written as in Python, \\udcff, so that different names stay different.
    """
    return json.dumps(_with_valid_texts(value), allow_nan=False, indent=indent)


def _with_valid_texts(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_with_valid_texts(name): _with_valid_texts(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_valid_texts(item) for item in value]
    return value


def table(rows: list[list[str]], texts: int = 1, gap: int = 2) -> str:
    """Columns side by side, the first `texts` aligned left and the others right.

    Args:
        gap: columns of the terminal between two columns of the table.
    """
    escaped = [[cli.one_line(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*escaped)]
    return "\n".join(
        "".join(
            (" " * gap if i else "")
            + (cell + _space(cell, width) if i < texts else _space(cell, width) + cell)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in escaped
    )


def cut(name: str, width: int) -> str:
    """A name that fills at most this many columns of a terminal."""
    if columns(name) <= width:
        return name
    while name and columns(name) > width - 1:
        name = name[:-1]
    return f"{name}…"


def _space(cell: str, width: int) -> str:
    return " " * (width - columns(cell))


def columns(text: str) -> int:
    """How many columns of a terminal a text fills."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
