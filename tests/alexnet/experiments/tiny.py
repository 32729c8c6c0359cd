"""An experiment on a few images that is run within a second or two."""

from alexnet.experiments.experiment import Difference, EpochsTo, Experiment

LEVEL = EpochsTo(0.5)
NAME = "tiny"
SEARCH = Experiment(
    name="tiny-rates",
    title="Rates of tiny",
    data="photos",
    settings={"image_size": 67, "batch_size": 4, "epochs": 1},
    arms={"0.001": {"lr": 0.001}, "0.01": {"lr": 0.01}},
    seeds=2,
    first_seed=1000,
)
TINY = Experiment(
    name=NAME,
    title="Tiny",
    data="photos",
    settings={"image_size": 67, "batch_size": 4, "epochs": 2, "weight_decay": 0},
    arms={"slow": {"lr": 0.001}, "fast": {"lr": 0.01}},
    seeds=2,
    rates_from=SEARCH,
    epochs_to=(LEVEL,),
    ten_views=True,
    color_columns=True,
    comparisons=(Difference("fast", "slow", "val_error", sign=-1),),
    minutes=0.1,
    quick={"subset": 10, "epochs": 1},
)
