"""Pickles are interpreted: what they hold is found, and what they would call is not called."""

import collections
import io
import os
import pickle
import tracemalloc

import pytest

from alexnet import pickles
from alexnet.pickles import Call, PickleError, UnexpectedFunction, interpret


def interpreted(code, functions=(pickles.ORDERED_DICT,)):
    return interpret(io.BytesIO(code), functions)


VALUES = {
    "none": None,
    "numbers": [True, False, 0, 255, 65535, -1, 2**40, 0.25],
    "text": ("a", "é" * 300, "x" * 70_000),
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "dicts": {"a": {}, "b": {"c": 1, 3: [2]}},
    "used twice": [["a"]] * 2,
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values(value, protocol):
    assert interpreted(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 4])
def test_ordered_dict_is_a_dict(protocol):
    value = collections.OrderedDict([("b", 1), ("a", 2)])
    value.note = "an attribute"
    assert list(interpreted(pickle.dumps(value, protocol)).items()) == [("b", 1), ("a", 2)]


def test_ordered_dict_of_python_2_is_a_call_with_pairs():
    code = b"\x80\x02ccollections\nOrderedDict\n](](U\1bK\1e](U\1aK\2ee\x85R."
    found = interpreted(code)
    assert (found.function, found.arguments) == (pickles.ORDERED_DICT, ([["b", 1], ["a", 2]],))


class Path:
    """Calls os.fspath("x") when it is unpickled, with a state."""

    def __reduce__(self):
        return os.system, ("exit 3",), {"state": 1}


@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_are_recorded(protocol):
    code = pickle.dumps(Path(), protocol)
    found = interpreted(code, [f"{os.system.__module__} system"])
    assert isinstance(found, Call)
    assert (found.arguments, found.state) == (("exit 3",), {"state": 1})
    with pytest.raises(UnexpectedFunction, match=r"posix\.system|nt\.system"):
        interpreted(code)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", 7) if value is Path else None


def test_persistent_identities_are_references():
    file = io.BytesIO()
    Pickler(file, 2).dump([Path, "a"])
    code = file.getvalue()
    assert interpret(io.BytesIO(code), (), "reference to {}".format) == [
        "reference to ('storage', 7)",
        "a",
    ]
    with pytest.raises(PickleError, match="unexpected instruction BINPERSID"):
        interpreted(code)


def test_pickles_behind_one_another():
    file = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps("b", 2) + b"rest")
    assert [interpret(file, ()), interpret(file, ()), file.read()] == [1, "b", b"rest"]


DAMAGED = {
    "empty": b"",
    "cut": pickle.dumps({"a": [1, 2]}, 2)[:-4],
    "no value": b".",
    "no mark": b"\x80\x02]K\1e.",
    "items of a list": b"\x80\x02](U\1aK\1u.",
    "key that is a list": b"\x80\x02}(]K\1u.",
    "key that is a tuple": b"\x80\x02}(K\1\x85K\1u.",
    "key that is a large number": b"\x80\x02}(J\xff\xff\xff\x7fK\1u.",
    "unknown memo": b"\x80\x02h\5.",
    "state of a list": b"\x80\x02]]b.",
    "call of a list": b"\x80\x02])R.",
    "call of a call": b"\x80\x02ccollections\nOrderedDict\nN\x85R)R.",
    "function that is a list": b"\x80\x04]\x8c\1a\x93.",
    "extension": b"\x80\x02\x82\1.",
    "text of other bytes": b"\x80\x02X\2\0\0\0\xff\xff.",
}


@pytest.mark.parametrize("code", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_one_error(code):
    with pytest.raises(PickleError):
        interpreted(code)


def test_structures_that_contain_themselves_or_are_very_deep():
    (itself,) = interpreted(b"\x80\x02]q\0h\0a.")
    assert itself[0] is itself
    interpreted(b"\x80\x02N" + b"\x85" * 200_000 + b".")


BOMBS = {
    # One list of many pairs, of which each dict would be a copy.
    "dicts": b"\x80\x02](" + b"U\1aK\1\x86" * 1000 + b"eq\0"
    b"(" + b"ccollections\nOrderedDict\nh\0\x85R" * 1000 + b"t.",
    # Bytes that are not there.
    "length": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "lists": b"\x80\x02" + b"]" * 2_000_000 + b".",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS)
def test_memory_is_bounded(code, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_INSTRUCTIONS", 20_000)
    tracemalloc.start()
    try:
        interpreted(code)
    except PickleError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10 * 2**20
