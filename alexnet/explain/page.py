"""An explanation as HTML: a fragment of any page, or a page of its own."""

from collections.abc import Iterator

from alexnet.explain import text as texts
from alexnet.explain.explanation import Account, Explanation, Map, Terms, units_in_the_last_place
from alexnet.explain.pictures import framed, heat_map
from alexnet.explain.text import number, sentence
from alexnet.report import html
from alexnet.report.html import Section


def page(explanation: Explanation) -> str:
    """A page in one file."""
    sections = [Section("number", "How the number comes about", fragment(explanation.output))]
    if explanation.gradient is not None:
        sections.append(Section("gradient", gradient_heading(explanation), _gradient(explanation)))
    title = f"{texts.title(explanation)}: {number(float(explanation.output.value))}"
    return html.page(title, introduction(explanation), sections)


def body(explanation: Explanation) -> str:
    """How a number and, below a heading, its gradient come about: for a page of its own making."""
    parts = [fragment(explanation.output)]
    if explanation.gradient is not None:
        parts += [f"<h3>{gradient_heading(explanation)}</h3>", _gradient(explanation)]
    return "\n".join(parts)


def gradient_heading(explanation: Explanation) -> str:
    assert explanation.gradient is not None
    return f"How its gradient, {number(float(explanation.gradient.value))}, comes about"


def _gradient(explanation: Explanation) -> str:
    assert explanation.gradient is not None
    loss = f"<p>{html.text(texts.loss_sentence(explanation))}</p>"
    return loss + fragment(explanation.gradient)


def introduction(explanation: Explanation) -> str:
    """The image, with the part of it that the number depends on."""
    caption = texts.image_sentence(explanation) + ", inside the frame"
    picture = framed(explanation.picture.pixels, explanation.box, caption)
    return f'<div class="maps">{html.figure(picture, caption, scroll=False)}</div>'


def fragment(account: Account) -> str:
    """How a number comes about, without a heading."""
    return "\n".join(_parts(account))


def _parts(account: Account) -> Iterator[str]:
    yield f"<p>{html.text(sentence(account.formula))}</p>"
    lines = [[line.name, number(line.value)] for line in account.lines]
    yield html.table([], lines, "Step by step")
    for note in account.notes:
        yield f"<p>{html.text(note)}</p>"
    if account.maps:
        shown = "".join(map(_map, account.maps))
        yield f'<div class="maps">{shown}</div>'
    if account.terms is not None:
        yield _terms(account.terms)
    if account.kernels:
        yield _kernels(account)


def _map(shown: Map) -> str:
    C, H, W = shown.values.shape
    top, left = shown.corner
    size = f"{H}x{W}" if C == 1 else f"{C} channels of {H}x{W}"
    most = abs(shown.values[abs(shown.values) < float("inf")]).max(initial=0.0)
    caption = (
        f"{shown.title}: {size}, from row {top}, column {left}; purple is positive, orange "
        f"negative, the strongest color {number(float(most))}"
    )
    return html.figure(heat_map(shown.values, caption), caption, scroll=False)


def _terms(terms: Terms) -> str:
    shown = len(terms.rows)
    of = f", the {shown} largest of {terms.count:,}" if terms.count > shown else ""
    rows = [[row.place, *map(number, (row.left, row.right, row.value))] for row in terms.rows]
    if terms.count > shown:
        rows.append([f"the other {terms.count - shown:,}", "", "", number(terms.rest)])
    title = terms.title[:1].upper() + terms.title[1:]
    return html.table(list(terms.columns), rows, f"{title}{of}")


def _kernels(account: Account) -> str:
    rows = []
    for kernel in account.kernels:
        used = " (the network's)" if kernel.is_used else ""
        distance = units_in_the_last_place(kernel.value, account.exact)
        rows.append([kernel.kernel + used, f"{float(kernel.value):.9g}", f"{distance:+.2f}"])
    rows.append(["exact", f"{account.exact:.9g}", ""])
    header = ["kernel", "value", "units in the last place"]
    caption = "By each kernel, and its distance from the exact number in units in the last place"
    return html.table(header, rows, caption)
