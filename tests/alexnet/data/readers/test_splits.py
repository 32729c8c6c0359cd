"""Names of sets; what folders with these names are is the subject of test_downloads."""

import pytest

from alexnet.data.readers.splits import by_split, split_of

NAMES = {
    "train": """train Train TRAIN training Training training_set trainset TrainSet train_images
        train-data seg_train images_train train2017 Final_Training dataset_train""".split(),
    "validation": """val Val valid validation dev eval evaluation val_256 valid_images valset
        seg_val""".split(),
    "test": "test Test testing test_set testset test1 test2017 seg_test Final_Test".split(),
    None: """trainer trains bus invalid value device latest contest seg_pred data images dataset 0
        train_val traintest""".split(),
}


@pytest.mark.parametrize(
    "name, split", [(name, split) for split, names in NAMES.items() for name in names]
)
def test_names_of_sets(name, split):
    assert split_of(name) == split


def test_a_name_of_digits_is_judged_at_once():
    assert split_of("1" * 10_000 + "x") is None


@pytest.mark.parametrize(
    "names, expected",
    [
        (["birds_train", "birds_val"], {"train": ["birds_train"], "validation": ["birds_val"]}),
        (["train birds", "test birds"], {"train": ["train birds"], "test": ["test birds"]}),
        (["train", "cats_train", "cats_test"], {"train": ["train"]}),
        (["train station", "test tube"], {}),
        (["train station", "bus station"], {}),
        (["birds_val", "birds_test"], {}),
        (["val", "valid", "x"], {"validation": ["val", "valid"]}),
    ],
)
def test_names_by_set(names, expected):
    assert by_split(names) == expected
