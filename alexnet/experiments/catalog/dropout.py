"""Sections 4.2 and 5: dropout against overfitting, weight decay against training error."""

from alexnet.experiments.catalog.half_size import HALF_SIZE
from alexnet.experiments.experiment import Difference, EpochsTo, Experiment, Ratio

LOSS = EpochsTo(1.0, "train_loss")

DROPOUT = Experiment(
    name="dropout",
    title="Dropout prevents overfitting, weight decay lowers the training error",
    section="Sections 4.2 and 5",
    claims=(
        "Without dropout, our network exhibits substantial overfitting. Dropout roughly doubles "
        "the number of iterations required to converge.",
        "We found that this small amount of weight decay was important for the model to learn. In "
        "other words, weight decay here is not merely a regularizer: it reduces the model's "
        "training error.",
    ),
    data="imagenette",
    settings=HALF_SIZE,
    arms={
        "dropout": {"dropout": 0.5, "weight_decay": 5e-4},
        "no-dropout": {"dropout": 0, "weight_decay": 5e-4},
        "no-decay": {"dropout": 0.5, "weight_decay": 0},
    },
    seeds=5,
    epochs_to=(LOSS,),
    comparisons=(
        Difference("no-dropout", "dropout", "gap", sign=1),
        Difference("no-dropout", "dropout", "val_error", sign=1),
        # The loss is measured while the network learns, with what dropout leaves of it.
        Ratio("dropout", "no-dropout", LOSS, size=2),
        Difference("no-decay", "dropout", "train_error", sign=1),
    ),
    minutes=20,
)
