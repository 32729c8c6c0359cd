"""Section 4.1: random crops and mirroring, and ten views of an image in the test."""

from alexnet.experiments.experiment import Difference, Experiment, TenViews

AUGMENTATION = Experiment(
    name="augmentation",
    title="Crops, mirroring and ten views lower the test error",
    section="Section 4.1, footnote 5",
    claims=(
        "Without this scheme, our network suffers from substantial overfitting, which would have "
        "forced us to use much smaller networks.",
        "The error rates without averaging predictions over ten patches as described in Section "
        "4.1 are 39.0% and 18.3%.",
    ),
    data="cifar10",
    settings={
        "arch": "cifar",
        "image_size": 24,
        "resize": 32,
        "color_noise": "none",
        "weight_decay": 0,
        "dropout": 0,
        "norm": "none",
        "batch_size": 128,
        "epochs": 30,
        # For which the rate was tried.
        "scale": 1 / 64,
        "lr": 0.03,
    },
    arms={
        "none": {"augmentation": "none"},
        "flips": {"augmentation": "flips"},
        "crops": {"augmentation": "crops"},
        "both": {"augmentation": "paper"},
    },
    seeds=5,
    ten_views=True,
    comparisons=(
        Difference("both", "none", "val_error", sign=-1),
        Difference("both", "none", "gap", sign=-1),
        Difference("flips", "none", "val_error", sign=-1),
        Difference("crops", "none", "val_error", sign=-1),
        # The paper, on ImageNet: 39.0% with one view, 37.5% with ten.
        TenViews("both", size=0.015),
    ),
    minutes=15,
)
