"""Figure 1: how much sooner a network with ReLUs reaches 25% training error than one with tanh."""

from alexnet.experiments.experiment import EpochsTo, Experiment, Ratio

QUARTER = EpochsTo(0.25)
# The input for which the rates of the default start were tried: natural images vary by about 64
# gray levels.
UNIT_INPUT = {"scale": 1 / 64}
# The start of the authors' code, for gray levels as they are.
START_2012 = {"init": "code2012", "scale": 1}

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
    settings={
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
        "epochs": 60,
    },
    # The paper does not say how its networks began, which decides the ratio.
    arms={
        "relu": {"activation": "relu", "lr": 0.03, **UNIT_INPUT},
        "tanh": {"activation": "tanh", "lr": 0.03, **UNIT_INPUT},
        "relu-2012": {"activation": "relu", "lr": 0.001, **START_2012},
        "tanh-2012": {"activation": "tanh", "lr": 0.004, **START_2012},
    },
    seeds=5,
    epochs_to=(QUARTER,),
    until=QUARTER,
    comparisons=(
        Ratio("tanh", "relu", QUARTER, size=6),
        Ratio("tanh-2012", "relu-2012", QUARTER, size=6),
    ),
    minutes=15,
)
