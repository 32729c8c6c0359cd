"""The words of ImageNet's classes, and the synsets behind names."""

import pytest

from alexnet.data.labels import caption, display_name, find_synsets, words


def test_table():
    assert len(words()) == 1000
    assert list(words()) == sorted(words())
    assert words()["n01440764"] == "tench, Tinca tinca"
    assert words()["n15075141"] == "toilet tissue, toilet paper, bathroom tissue"


def test_display_name():
    assert display_name("n01440764") == "tench (n01440764)"
    assert display_name("n03445777") == "golf ball (n03445777)"
    assert display_name("n00000000") == "n00000000"
    assert display_name("my cat, sleeping") == "my cat, sleeping"


@pytest.mark.parametrize(
    ("names", "synsets"),
    [
        (["golf ball", "tench, Tinca tinca"], ["n03445777", "n01440764"]),
        (["n03445777", "tench"], ["n03445777", "n01440764"]),
        (["tench", "airplane"], None),
        # A bird, a machine; two kinds of suit for swimming.
        (["tench", "crane"], None),
        (["maillot", "tench"], None),
        (["maillot, tank suit", "tench"], ["n03710721", "n01440764"]),
        (["tench", "tench, Tinca tinca"], None),
    ],
)
def test_synsets_of_some_names(names, synsets):
    assert find_synsets(names) == synsets


def test_synsets_of_the_whole_list():
    names = list(words().values())
    names[list(words()).index("n02012849")] = "crane bird"
    names[list(words()).index("n03126707")] = "crane2"
    assert find_synsets(names) == list(words())
    assert find_synsets([name.split(",")[0] for name in names]) == list(words())
    assert find_synsets([f"class {i}" for i in range(1000)]) is None


def test_captions_are_short_where_they_are_unambiguous():
    assert caption("n01440764") == "tench"
    assert caption("n02012849") == "crane (n02012849)"  # the bird; n03126707 lifts
    assert caption("my cat, sleeping") == "my cat, sleeping"
    for names in ([*words()], ["tench", "crane"]):
        assert len({caption(name) for name in names}) == len(names)
