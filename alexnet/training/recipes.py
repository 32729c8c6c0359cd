"""Recipes: settings that train well together. The command line may replace any of them."""

from typing import Any

# The settings in which each recipe differs from the defaults of `alexnet.training.settings`.
RECIPES: dict[str, dict[str, Any]] = {
    # Learns from the first epoch with any number of classes. It differs from the paper in the
    # initialization (He et al. 2015 and a small last layer instead of N(0, 0.01) with biases of
    # 1), in the input scale that goes with it, in warm-up and cosine decay instead of a rate
    # lowered by hand, and in smaller batches, which make more of a small data set.
    "default": {},
    # Sections 2 and 5 as written; meant for ImageNet and its 1000 classes.
    "paper": {
        "batch_size": 128,
        "epochs": 90,
        "lr_schedule": "plateau",
        "warmup": 0.0,
        "init": "paper",
        "mean": "image",
        "scale": 1.0,
    },
}

# What a network replaces of the default recipe. Its input is scaled for the normalization, which
# "owt" does not have; and "cifar" has no hidden layer to drop units of.
ARCHITECTURE_SETTINGS: dict[str, dict[str, Any]] = {
    "alexnet": {},
    "owt": {"scale": 1 / 64},
    "cifar": {"batch_size": 128, "dropout": 0.0},
}

# What an optimizer replaces of a recipe. The rate of LARS is no rate of SGD: a step changes each
# layer by about a thousandth of its norm times the rate.
OPTIMIZERS: dict[str, dict[str, Any]] = {"sgd": {}, "lars": {"lr": 5.0}, "adam": {}}
