"""Declarations of experiments, and epochs to a level."""

from dataclasses import replace

import pytest

from alexnet.experiments.experiment import (
    ColorColumns,
    Difference,
    Epochs,
    EpochsTo,
    Ratio,
    TenViews,
)
from tests.alexnet.experiments.made_up import COMPARED, LEVEL


def test_epochs_lie_between_the_middles_of_two_epochs():
    assert LEVEL.of([0.6, 0.45, 0.2, 0.1]) == Epochs(2.3)  # 1.5 and 0.8 of the way to 2.5
    assert LEVEL.of([0.5, 0.25]) == Epochs(1.5)
    assert LEVEL.of([0.2]) == Epochs(0.5)


def test_a_level_that_is_never_reached_is_censored():
    never = LEVEL.of([0.9, 0.5, 0.26])
    assert never == Epochs(2.5, censored=True)  # as the third epoch stands for its middle
    assert str(never) == ">2.5"
    assert LEVEL.of([0.9, 0.5, 0.26, 0.25]).value > never.value
    assert LEVEL.of([]) == Epochs(0.0, censored=True)


def test_columns_of_levels():
    assert LEVEL.column == "epochs_to_0.25"
    assert EpochsTo(1.0, "train_loss").column == "epochs_to_loss_1"
    with pytest.raises(ValueError, match="curve must be"):
        EpochsTo(0.5, "val_loss")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": "Made Up"}, "small letters"),
        ({"arms": {"one": {}, "../other": {}}}, "small letters"),
        ({"arms": {"one": {}}}, "no arm"),
        ({"comparisons": (Difference("one", "third", "gap", 1),)}, "third, which is no arm"),
        ({"comparisons": (Ratio("one", "other", EpochsTo(0.5)),)}, "does not measure"),
        ({"ten_views": False, "comparisons": (TenViews("one"),)}, "ten_views=True"),
        ({"color_columns": False, "comparisons": (ColorColumns("one"),)}, "color_columns=True"),
        ({"until": LEVEL}, "lr_schedule must be 'constant' and warmup 0"),
        ({"until": EpochsTo(0.5)}, "does not measure"),
    ],
)
def test_declarations_that_contradict_each_other(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(COMPARED, **changes)


def test_the_quick_form_has_a_name_of_its_own_and_few_images():
    quick = COMPARED.quick_form(has_data=False)
    assert (quick.name, quick.data, quick.seeds) == ("made-up-quick-demo", "demo", 2)
    assert quick.settings["subset"] == 200 and quick.is_quick
    with_data = COMPARED.quick_form(has_data=True)
    assert (with_data.name, with_data.data) == ("made-up-quick", COMPARED.data)
