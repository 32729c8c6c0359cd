"""Section 3.3: the test error with and without local response normalization."""

from alexnet.experiments.experiment import Difference, Experiment

NORMALIZATION = Experiment(
    name="normalization",
    title="Local response normalization lowers the test error",
    section="Section 3.3",
    claims=(
        "We also verified the effectiveness of this scheme on the CIFAR-10 dataset: a four-layer "
        "CNN achieved a 13% test error rate without normalization and 11% with normalization.",
    ),
    data="cifar10",
    settings={
        "arch": "cifar",
        "image_size": 24,
        "resize": 32,
        "augmentation": "paper",
        "color_noise": "none",
        "weight_decay": 0.004,
        "dropout": 0,
        "batch_size": 128,
        "epochs": 30,
        # The start of the authors' code, whose small weights in conv1 are for gray levels as they
        # are. The normalization itself is the same at any scale, as its alpha follows it.
        "init": "code2012",
        "scale": 1,
        "lr": 0.001,
    },
    arms={
        "none": {"norm": "none"},
        "lrn": {"norm": "lrn"},
        "within": {"norm": "within"},
        # What is left of the normalization if it only makes values smaller.
        "constant": {"norm": "constant", "norm_gain": 0.7},
    },
    seeds=5,
    comparisons=(
        Difference("lrn", "none", "val_error", sign=-1, size=0.02),
        Difference("lrn", "constant", "val_error", sign=-1),
        Difference("within", "none", "val_error", sign=0),
    ),
    minutes=15,
)
