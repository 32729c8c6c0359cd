"""Section 3.3: the test error with and without local response normalization."""

from alexnet.experiments.catalog.rates import rate_search, with_rates
from alexnet.experiments.experiment import Difference, Experiment

SETTINGS = {
    "arch": "cifar",
    "image_size": 24,
    "resize": 32,
    "augmentation": "paper",
    "color_noise": "none",
    "weight_decay": 5e-4,
    "dropout": 0,
    "batch_size": 128,
    # Unit input. The normalization is the same at any scale, as its alpha follows it.
    "init": "default",
    "scale": 1 / 64,
}
WITHOUT_RATE = {
    "none": {"norm": "none"},
    "lrn": {"norm": "lrn"},
    "within": {"norm": "within"},
    # What is left of the normalization if it only makes values smaller: the geometric mean of what
    # those of the trained network "lrn-0.1" multiply by (medians 0.205 and 0.746).
    "constant": {"norm": "constant", "norm_gain": 0.4},
}
# Of those tried, the rate with the lowest training error without augmentation: the test images
# choose nothing.
TRIED = dict.fromkeys(("lrn", "within", "constant"), (0.01, 0.03, 0.1, 0.3)) | {
    "none": (0.01, 0.03, 0.1)
}
CHOSEN = {"none": 0.03, "lrn": 0.1, "within": 0.1, "constant": 0.1}

NORMALIZATION_RATES = rate_search(
    "normalization",
    WITHOUT_RATE,
    TRIED,
    data="cifar10",
    settings={**SETTINGS, "epochs": 6},
    minutes=3,
)

NORMALIZATION = Experiment(
    name="normalization",
    title="Local response normalization lowers the test error",
    section="Section 3.3",
    claims=(
        "We also verified the effectiveness of this scheme on the CIFAR-10 dataset: a four-layer "
        "CNN achieved a 13% test error rate without normalization and 11% with normalization.",
    ),
    data="cifar10",
    settings={**SETTINGS, "epochs": 20},
    arms=with_rates(WITHOUT_RATE, CHOSEN),
    rates_from=NORMALIZATION_RATES,
    seeds=5,
    comparisons=(
        Difference("lrn", "none", "val_error", sign=-1, size=0.02),
        Difference("lrn", "constant", "val_error", sign=-1),
        Difference("within", "none", "val_error", sign=0),
    ),
    minutes=15,
)
