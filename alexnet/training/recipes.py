"""Settings that train: the default, and the paper's own text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything about a training run but the data and the network.

    Attributes:
        batch_size: images in a step.
        epochs: passes over the training set.
        lr: learning rate of the weights; biases have twice that with "sgd".
        momentum, weight_decay: of SGD; biases are not decayed.
        optimizer: "sgd" (the paper's update rule) or "adam".
        lr_schedule: "cosine" to zero at the end, "plateau" (divided by ten when the validation
            error stalls), "step" (divided by ten after each third of the epochs) or "constant".
        lr_step: epochs between the steps of "step"; None: a third of all.
        lr_gamma: what "step" and "plateau" multiply the rate by.
        lr_patience: epochs without improvement that "plateau" waits for.
        warmup: share of all steps over which the rate rises linearly from zero.
        dropout: probability of dropping a unit of fc6 and fc7.
        init: how the parameters begin, see `alexnet.model.INITIALIZERS`.
        mean: what is subtracted from grey levels: the mean of the "channel", or the mean "image".
        scale: factor after the subtraction.
    """

    batch_size: int = 32
    epochs: int = 10
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    optimizer: str = "sgd"
    lr_schedule: str = "cosine"
    lr_step: int | None = None
    lr_gamma: float = 0.1
    lr_patience: int = 2
    warmup: float = 0.05
    dropout: float = 0.5
    init: str = "default"
    mean: str = "channel"
    # Natural images have a standard deviation of about 64 grey levels: unit input.
    scale: float = 1 / 64


RECIPES = {
    # Learns from the first epoch with any number of classes. Different from the paper: the
    # start (He et al. 2015 and a small last layer instead of N(0, 0.01) with biases of 1), the
    # input scale that goes with it, warm-up and cosine instead of dropping the rate by hand,
    # and smaller batches, which make more of a small data set.
    "default": Recipe(),
    # Sections 2 and 5 as written; meant for ImageNet and its 1000 classes.
    "paper": Recipe(
        batch_size=128,
        epochs=90,
        lr_schedule="plateau",
        warmup=0.0,
        init="paper",
        mean="image",
        scale=1.0,
    ),
}
OPTIMIZERS = ("sgd", "adam")
LR_SCHEDULES = ("cosine", "plateau", "step", "constant")
MEANS = ("channel", "image")
