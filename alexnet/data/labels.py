"""The words behind ImageNet's classes, which are synsets of WordNet such as n01440764."""

import functools
from collections import Counter
from pathlib import Path

from alexnet.text import drawable

# Share of the words that must agree: lists of the 1,000 classes differ in a few ("crane" is both a
# bird and a machine).
SAME_LIST = 0.95


@functools.cache
def words() -> dict[str, str]:
    """Synset -> its words, such as "tench, Tinca tinca", for the 1,000 classes in order."""
    lines = Path(__file__).with_name("imagenet_words.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def display_name(class_name: str) -> str:
    """The name of a class for people: "tench (n01440764)" for a synset, any other name as it is."""
    if class_name not in words():
        return class_name
    return f"{_first(words()[class_name])} ({class_name})"


def caption(class_name: str) -> str:
    """The name of a class in a picture: "tench"; with its synset if the word is ambiguous."""
    first = _first(words().get(class_name, class_name))
    unique = class_name in words() and _times()[first] == 1
    return first if unique else display_name(class_name)


def shortened(name: str, length: int) -> str:
    """A name for a picture, cut off after `length` letters."""
    name = drawable(name)
    return name if len(name) <= length else name[: length - 1] + "…"


def find_synsets(names: list[str]) -> list[str] | None:
    """The synset that each name stands for, or None where not all are names from ImageNet.

    A name is a synset, its words, or the first of them, and must mean one synset only; in a list
    of all 1,000 classes in order the place decides.
    """
    firsts = [_first(text) for text in words().values()]
    if len(names) == len(firsts):
        agreeing = sum(_first(name) == first for name, first in zip(names, firsts))
        if agreeing >= SAME_LIST * len(firsts):
            return list(words())
    times = _times()
    known = {}
    for synset, text in words().items():
        for name in {synset, text, _first(text)}:
            if times[name] < 2:
                known[name] = synset
    synsets = [known.get(name) for name in names]
    return synsets if None not in synsets and len(set(synsets)) == len(names) else None


@functools.cache
def _times() -> Counter[str]:
    """How many synsets have the same first word."""
    return Counter(_first(text) for text in words().values())


def _first(text: str) -> str:
    return text.split(",")[0]
