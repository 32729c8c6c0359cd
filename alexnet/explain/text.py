"""An explanation as text, for a terminal of 80 columns unless names of classes are long."""

import textwrap
from collections.abc import Iterator

import numpy as np

from alexnet import cli, text
from alexnet.data.labels import display_name
from alexnet.explain.explanation import (
    Account,
    Explanation,
    Map,
    Terms,
    units_in_the_last_place,
)

WIDTH = 80
MAP_COLUMNS, MOST_COLUMNS = 6, 13  # that fit side by side, of numbers and of hundredths


def as_text(explanation: Explanation) -> str:
    """All of it, for a terminal."""
    return "\n".join(map(cli.one_line, _lines(explanation)))


def title(explanation: Explanation) -> str:
    """The number in question."""
    if not explanation.index:
        return explanation.layer
    sizes = "x".join(map(str, explanation.shape))
    return f"{explanation.layer} ({sizes}), {explanation.place}"


def number(value: float) -> str:
    """A number as it is printed everywhere: with 6 digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value + 0.0:.6g}"  # no -0


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:].removesuffix('.')}."


def image_sentence(explanation: Explanation) -> str:
    """The image and the part of it that the number depends on."""
    box, pixels = explanation.box, explanation.picture.pixels
    size = f"{box.bottom - box.top}x{box.right - box.left}"
    if (box.bottom - box.top, box.right - box.left) == pixels.shape[:2]:
        part = f"all of its {size} pixels"
    else:
        part = (
            f"{size} of its pixels: rows {box.top} to {box.bottom - 1}, columns {box.left} to "
            f"{box.right - 1}"
        )
    return f"{explanation.image}: the number depends on {part}"


def loss_sentence(explanation: Explanation) -> str:
    """Which loss the gradient is of."""
    name = display_name(explanation.classes[explanation.label])
    return f"The loss is the cross-entropy of class {explanation.label}, {name}."


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{title(explanation)}: {number(float(explanation.output.value))}"
    yield from _wrapped(image_sentence(explanation))
    yield ""
    yield from _account(explanation.output)
    if explanation.gradient is not None:
        yield ""
        yield f"gradient of the loss to it: {number(float(explanation.gradient.value))}"
        yield from _wrapped(loss_sentence(explanation))
        yield ""
        yield from _account(explanation.gradient)


def _account(account: Account) -> Iterator[str]:
    yield from _wrapped(sentence(account.formula))
    yield ""
    rows = [[line.name, number(line.value)] for line in account.lines]
    yield from _indented(text.table(rows))
    for note in account.notes:
        yield from _wrapped(note)
    for shown in account.maps:
        yield from _map(shown)
    if account.terms is not None:
        yield from _terms(account.terms)
    if account.kernels:
        yield from _kernels(account)


def _map(shown: Map) -> Iterator[str]:
    """The numbers of a map where they fit; of the products of several channels, their sum."""
    values = shown.values
    if len(values) > 1:
        if shown.title != "products":
            return
        values = values.sum(axis=0, keepdims=True)
    rows, columns = values.shape[1:]
    if columns > MOST_COLUMNS:
        return
    total = f", summed over {len(shown.values)} channels" if len(shown.values) > 1 else ""
    is_wide, unit = columns > MAP_COLUMNS, np.abs(values[np.isfinite(values)]).max(initial=0)
    scaled = f", in hundredths of {number(float(unit))}" if is_wide else ""
    yield ""
    yield f"{shown.title}{total}{scaled}:"
    top, left = shown.corner
    table = [["row \\ column", *(str(left + column) for column in range(columns))]]
    for row in range(rows):
        cells = (_cell(value, unit if is_wide else None) for value in values[0, row])
        table.append([str(top + row), *cells])
    yield from _indented(text.table(table, texts=0))


def _cell(value: float, unit: float | None) -> str:
    """A number of a map, with few digits; "-" beyond the image."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.3g}" if unit is None else str(round(100 * value / (unit or 1.0)))


def _terms(terms: Terms) -> Iterator[str]:
    yield ""
    shown = len(terms.rows)
    of = f", the {shown} largest of {terms.count:,}" if terms.count > shown else ""
    yield f"{terms.title}{of}:"
    rows = [list(terms.columns)]
    rows += [[row.place, *map(number, (row.left, row.right, row.value))] for row in terms.rows]
    if terms.count > shown:
        rows.append([f"the other {terms.count - shown:,}", "", "", number(terms.rest)])
    yield from _indented(text.table(rows))


def _kernels(account: Account) -> Iterator[str]:
    yield ""
    yield "by each kernel; distances from the exact number in units in the last place:"
    rows = [["", "value", "distance"]]
    for kernel in account.kernels:
        distance = units_in_the_last_place(kernel.value, account.exact)
        used = " (the network's)" if kernel.is_used else ""
        rows.append([f"{kernel.kernel}{used}", f"{float(kernel.value):.9g}", f"{distance:+.2f}"])
    rows.append(["exact", f"{account.exact:.9g}", ""])
    yield from _indented(text.table(rows))


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, break_on_hyphens=False)


def _indented(table: str) -> list[str]:
    return [f"  {line}" for line in table.split("\n")]
