"""Figure 1: how much sooner a network with ReLUs reaches 25% training error than one with tanh."""

from alexnet.experiments.catalog.rates import rate_search, with_rates
from alexnet.experiments.experiment import EpochsTo, Experiment, Ratio

QUARTER = EpochsTo(0.25)
SETTINGS = {
    "arch": "cifar",
    "image_size": 32,
    "resize": 32,
    # "No regularization of any kind was employed."
    "augmentation": "none",
    "color_noise": "none",
    "weight_decay": 0,
    "dropout": 0,
    "norm": "none",
    "batch_size": 128,
    "lr_schedule": "constant",
    "warmup": 0,
}
# Natural images vary by about 64 gray levels.
UNIT_INPUT = {"init": "default", "scale": 1 / 64}
# The start of the authors' code, for gray levels as they are.
START_2012 = {"init": "code2012", "scale": 1}
# The paper does not say how its networks began, which decides the ratio.
WITHOUT_RATE = {
    "relu": {"activation": "relu", **UNIT_INPUT},
    "tanh": {"activation": "tanh", **UNIT_INPUT},
    "relu-2012": {"activation": "relu", **START_2012},
    "tanh-2012": {"activation": "tanh", **START_2012},
}
# Of those tried, the rate that is first at 25%; if none gets there, that of the lowest error.
TRIED = {
    "relu": (0.01, 0.03, 0.1),
    "tanh": (0.01, 0.03, 0.1),
    "relu-2012": (0.0003, 0.001, 0.003, 0.01),
    "tanh-2012": (0.001, 0.003, 0.01, 0.03),
}
CHOSEN = {"relu": 0.03, "tanh": 0.03, "relu-2012": 0.003, "tanh-2012": 0.01}

FIGURE1_RATES = rate_search(
    "figure1",
    WITHOUT_RATE,
    TRIED,
    data="cifar10",
    settings={**SETTINGS, "epochs": 10},
    epochs_to=(QUARTER,),
    until=QUARTER,
    minutes=3,
)

FIGURE1 = Experiment(
    name="figure1",
    title="ReLU learns faster than tanh",
    section="Figure 1, section 3.1",
    claims=(
        "A four-layer convolutional neural network with ReLUs (solid line) reaches a 25% training "
        "error rate on CIFAR-10 six times faster than an equivalent network with tanh neurons "
        "(dashed line). The learning rates for each network were chosen independently to make "
        "training as fast as possible. No regularization of any kind was employed.",
    ),
    data="cifar10",
    settings={**SETTINGS, "epochs": 60},
    arms=with_rates(WITHOUT_RATE, CHOSEN),
    rates_from=FIGURE1_RATES,
    seeds=3,
    epochs_to=(QUARTER,),
    until=QUARTER,
    comparisons=(
        Ratio("tanh", "relu", QUARTER, size=6),
        Ratio("tanh-2012", "relu-2012", QUARTER, size=6),
    ),
    minutes=15,
)
