"""Recipes: settings that train well together. The command line may replace any of them."""

from typing import Any

# The settings in which each recipe differs from the defaults of `alexnet.training.settings`.
RECIPES: dict[str, dict[str, Any]] = {
    # Learns from the first epoch with any number of classes. It differs from the paper in the
    # initialization (He et al. 2015 and a small last layer instead of N(0, 0.01) with biases of
    # 1), in the input scale that goes with it, in the normalization's alpha, which is that of the
    # authors' code and a fifth of the text's, in warm-up and cosine decay instead of a rate lowered
    # by hand, and in smaller batches, which make more of a small data set.
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
        "weight_decay": 5e-4,
    },
}

# The normalization of a recipe and a network, where it is not the first one that the network has.
RECIPE_NORMS: dict[tuple[str, str], str] = {("paper", "alexnet"): "lrn"}

# What a network replaces of the default recipe; "cifar" has no hidden layer to drop units of.
ARCHITECTURE_SETTINGS: dict[str, dict[str, Any]] = {
    # conv1's kernels begin as noise, of which the paper's decay leaves nothing in its 450,000
    # steps, and nearly all in the few thousand of a small data set. Twenty times that shows what
    # they learn.
    "alexnet": {"weight_decay": {"default": 5e-4, "conv1": 0.01}},
    "owt": {},
    "cifar": {"batch_size": 128, "dropout": 0.0},
}

# What --init-from replaces of them: the kernels of a trained network are no noise.
FINE_TUNING: dict[str, Any] = {"weight_decay": 5e-4}

# What an optimizer replaces of a recipe. The rate of LARS is no rate of SGD: a step changes each
# layer by about a thousandth of its norm times the rate.
OPTIMIZERS: dict[str, dict[str, Any]] = {"sgd": {}, "lars": {"lr": 5.0}, "adam": {}}
