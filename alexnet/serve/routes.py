"""The addresses of the server below /api/, and what is answered at each."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from alexnet.errors import UsageError
from alexnet.serve.watching import Watched

Query = dict[str, list[str]]


class Answer(NamedTuple):
    """The body of an answer and its type."""

    body: bytes
    media_type: str


def as_json(value: Any) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json")


def answer(watched: Watched, path: str, query: Query) -> Answer:
    """What is at an address.

    Raises:
        DataError, UsageError: nothing.
    """
    for pattern, function in _ROUTES:
        if match := pattern.fullmatch(path):
            return function(watched, query, *match.groups())
    raise UsageError("there is nothing at this address")


def _progress(watched: Watched, query: Query) -> Answer:
    return as_json(watched.progress())


def _network(watched: Watched, query: Query) -> Answer:
    return as_json(watched.answers().network())


def _filters(watched: Watched, query: Query) -> Answer:
    return as_json(watched.answers().filters())


def _picture(watched: Watched, query: Query, image: str) -> Answer:
    return Answer(watched.answers().picture(image), "image/png")


def _overlay(watched: Watched, query: Query, image: str, kind: str) -> Answer:
    return Answer(watched.answers().overlay(image, kind), "image/png")


def _maps(watched: Watched, query: Query, image: str, layer: str) -> Answer:
    return as_json(watched.answers().maps(image, layer))


def _channel(watched: Watched, query: Query, image: str, layer: str, channel: str) -> Answer:
    return as_json(watched.answers().channel(image, layer, int(channel)))


def _explain(watched: Watched, query: Query, image: str, layer: str, index: str) -> Answer:
    place = tuple(map(int, index.split(","))) if index else ()
    return as_json(watched.answers().explain(image, layer, place, "backward" in query))


def _neighbors(watched: Watched, query: Query, image: str) -> Answer:
    return as_json(watched.answers().neighbors(image))


_IMAGE, _LAYER, _NUMBER = r"([\w-]{1,40})", r"([a-z]{1,20}\d{0,2})", r"\d{1,6}"
_ROUTES: list[tuple[re.Pattern[str], Callable[..., Answer]]] = [
    (re.compile(f"/api/{pattern}", re.ASCII), function)
    for pattern, function in (
        ("progress", _progress),
        ("network", _network),
        ("filters", _filters),
        (f"images/{_IMAGE}/picture", _picture),
        (f"images/{_IMAGE}/(gradient|cam)", _overlay),
        (f"images/{_IMAGE}/maps/{_LAYER}", _maps),
        (f"images/{_IMAGE}/maps/{_LAYER}/({_NUMBER})", _channel),
        (f"images/{_IMAGE}/explain/{_LAYER}/((?:{_NUMBER}(?:,{_NUMBER})*)?)", _explain),
        (f"images/{_IMAGE}/neighbors", _neighbors),
    )
]
