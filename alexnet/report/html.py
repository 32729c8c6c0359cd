"""HTML pages in one file: pictures are embedded, and nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from html import escape
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from alexnet.style import PIXELS_PER_INCH, boxes_for_missing_letters
from alexnet.text import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Curves are SVG, which stays sharp; kernels PNG, which keeps every pixel; photographs JPEG, which
# is small.
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}
DOTS_PER_INCH = 130


class Section(NamedTuple):
    """A part of a page: `id` for links to it, its heading, and HTML below it.

    Attributes:
        left_out: why there is nothing in it; empty if there is.
    """

    id: str
    heading: str
    html: str
    left_out: str = ""


def picture(figure: Figure, alt: str, kind: str = "svg", hidden: bool = False) -> str:
    """A figure as an <img> that holds it.

    Args:
        alt: what it shows, for readers who cannot see it.
        kind: a key of `MEDIA_TYPES`.
        hidden: until a script shows it.
    """
    file = io.BytesIO()
    options = {"svg": {"metadata": {"Date": None}}, "jpg": {"pil_kwargs": {"quality": 85}}}
    with boxes_for_missing_letters():
        figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, **options.get(kind, {}))
    width, height = (round(side * PIXELS_PER_INCH) for side in figure.get_size_inches())
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img src="data:{MEDIA_TYPES[kind]};base64,{data}" alt="{text(alt)}" '
        f'width="{width}" height="{height}"{" hidden" if hidden else ""}>'
    )


def figure(content: str, caption: str, scroll: bool = True) -> str:
    """A picture, as HTML, and a caption below it.

    Args:
        scroll: on narrow screens it scrolls sideways and stays readable, instead of shrinking.
    """
    content = _scrolling(content, caption) if scroll else content
    return f"<figure>{content}<figcaption>{text(caption)}</figcaption></figure>"


def slider(images: list[str], labels: list[str], name: str) -> str:
    """Pictures of which a slider shows one at a time; without scripts, the last one.

    Args:
        images: from `picture`, all but the last one hidden.
        labels: what is shown below the slider.
        name: what the slider chooses.
    """
    last = len(images) - 1
    outputs = "".join(
        f"<output{'' if i == last else ' hidden'}>{text(label)}</output>"
        for i, label in enumerate(labels)
    )
    return (
        f'<div class="slider">{"".join(images)}<input type="range" min="0" max="{last}" '
        f'value="{last}" autocomplete="off" aria-label="{text(name)}">{outputs}</div>'
    )


def table(header: list[str], rows: list[list[str]], caption: str, texts: int = 1) -> str:
    """A table of texts under a caption.

    The first cell of a row names it. The first `texts` cells are aligned to the left; the others
    are numbers, aligned to the right.
    """

    def row(values: list[str], scopes: list[str]) -> str:
        cells = []
        for i, (value, scope) in enumerate(zip(values, scopes)):
            side = "" if i < texts else ' class="number"'
            start, end = (f'th scope="{scope}"', "th") if scope else ("td", "td")
            cells.append(f"<{start}{side}>{text(value)}</{end}>")
        return f"<tr>{''.join(cells)}</tr>"

    head = f"<thead>{row(header, ['col'] * len(header))}</thead>" if header else ""
    body = "".join(row(values, ["row"] + [""] * (len(values) - 1)) for values in rows)
    content = _scrolling(f"<table>{head}<tbody>{body}</tbody></table>", caption)
    return f"<figure><figcaption>{text(caption)}</figcaption>{content}</figure>"


def pairs(values: list[tuple[str, object]]) -> str:
    """Names and values, side by side where there is room."""
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{'–' if value is None else text(value)}</dd></div>"
        for name, value in values
    )
    return f'<dl class="pairs">{items}</dl>'


def text(value: object) -> str:
    """A value as text for HTML; names of files may hold bytes that are no text."""
    return escape(drawable(str(value)))


def _scrolling(content: str, label: str) -> str:
    """HTML in a part of the page that scrolls sideways, by mouse or keyboard."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(label)}">{content}</div>'
    )


def page(title: str, introduction: str, sections: list[Section]) -> str:
    """The whole page; `introduction` is HTML."""
    links = "".join(f'<li><a href="#{s.id}">{text(s.heading)}</a></li>' for s in sections)
    body = "".join(
        f'<section id="{s.id}"><h2>{text(s.heading)}</h2>{s.html}</section>\n' for s in sections
    )
    return _PAGE.substitute(title=text(title), introduction=introduction, links=links, body=body)


# The policy forbids the browser to load anything; with the empty icon it does not ask for one.
_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 48rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .5rem; border-top: 1px solid #ccc; }
a { color: #00538a; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .75rem; margin: 1rem 0; }
.numbers div { border: 1px solid #ccc; border-radius: .4rem; padding: .5rem .75rem; }
.numbers dt { font-size: .85rem; color: #444; }
.numbers dd { margin: 0; font-size: 1.5rem; line-height: 1.3; }
.numbers dd + dd { font-size: .8rem; color: #444; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  gap: 0 1.5rem; margin: 0; font-size: .9rem; }
.pairs div { display: flex; gap: 1rem; padding: .2rem 0; border-bottom: 1px solid #e4e4e4; }
.pairs dt { flex: 0 0 9rem; color: #444; }
.pairs dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0 1.5rem; }
figcaption { font-size: .9rem; color: #444; padding: .25rem 0; }
img { display: block; width: 100%; height: auto; }
img.pixels { image-rendering: pixelated; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
  gap: 0 1.5rem; }
[hidden] { display: none; }
.scroll { overflow-x: auto; }
.scroll img { min-width: 36rem; }
.slider input { width: 100%; min-height: 2rem; margin: .25rem 0 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e4e4e4; }
th:last-child, td:last-child { padding-right: 0; }
tbody th { font-weight: normal; }
.number { text-align: right; white-space: nowrap; }
code { font-size: .9em; background: #f2f2f2; padding: .1em .3em; }
.missing { color: #444; font-style: italic; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, .slider input { display: none; }
  .scroll { overflow: visible; }
  .scroll img { min-width: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
</style>
</head>
<body>
<header>
<h1>$title</h1>
$introduction
<nav aria-label="Contents"><ul>$links</ul></nav>
</header>
<main>
$body</main>
<script>
for (const slider of document.querySelectorAll(".slider")) {
  const input = slider.querySelector("input");
  const images = slider.querySelectorAll("img"), outputs = slider.querySelectorAll("output");
  input.addEventListener("input", () => {
    for (let i = 0; i < images.length; i++) {
      images[i].hidden = outputs[i].hidden = i != input.value;
    }
  });
}
</script>
</body>
</html>
""")
