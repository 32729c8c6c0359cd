"""What is measured of a run, and what tables and comparisons make of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from alexnet.data import Subset
from alexnet.experiments.color import color_p
from alexnet.experiments.experiment import EpochsTo, Experiment
from alexnet.inference import layers
from alexnet.inference.trained import Trained
from alexnet.precision import INFERENCE_PRECISIONS
from alexnet.run.checkpoint import LAST
from alexnet.run.metrics import Row, read_rows
from alexnet.training.data import load_sets
from alexnet.training.run import Ending

Values = dict[str, Any]  # by name: float, int, `Epochs`, or None for what is not measured

COUNTS = ("epochs", "val_images", "only_one_view", "only_ten_views")
# In the order of the record; those of `epochs_to` come before the timing.
NAMES = (
    *("epochs", "train_top1", "train_top1_evaluated", "val_top1", "val_loss", "val_top5"),
    *("val_images", "ten_views_top1", "only_one_view", "only_ten_views", "color_p"),
)
TIMING = ("images_per_s", "seconds")
# By epoch, from the metrics of a run.
CURVES = ("train_loss", "train_top1", "val_loss", "val_top1")
MOST_TRAINING_IMAGES = 10_000


class Measure(NamedTuple):
    """A number to compare.

    Attributes:
        title: in tables.
        value: of the measured values of a run.
        is_share: of images, to be written in percent, and differences in points.
    """

    title: str
    value: Callable[[Values], float]
    is_share: bool = True


MEASURES = {
    "val_error": Measure("test error", lambda v: 1 - v["val_top1"]),
    "val_loss": Measure("test loss", lambda v: v["val_loss"], is_share=False),
    "train_error": Measure("training error", lambda v: 1 - v["train_top1_evaluated"]),
    "running_train_error": Measure("running training error", lambda v: 1 - v["train_top1"]),
    "gap": Measure(
        "test error minus training error", lambda v: v["train_top1_evaluated"] - v["val_top1"]
    ),
    "ten_views_error": Measure("test error, ten views", lambda v: 1 - v["ten_views_top1"]),
}


def names(experiment: Experiment) -> tuple[str, ...]:
    """The names of the measures in the record of an experiment."""
    return (*NAMES, *(epochs_to.column for epochs_to in experiment.epochs_to), *TIMING)


def required(experiment: Experiment) -> tuple[str, ...]:
    """The names of the measures that every complete run has."""
    optional = {"color_p"}  # which a network may not have
    if not experiment.ten_views:
        optional |= {"ten_views_top1", "only_one_view", "only_ten_views"}
    return tuple(name for name in names(experiment) if name not in optional)


def measure_complete_run(experiment: Experiment, ending: Ending) -> Values:
    """Everything that is measured of a complete run, with the network of its last epoch.

    That of the best epoch would be chosen on the test images.

    Raises:
        CheckpointError, DataError: the network or the images are no longer there.
    """
    settings, rows = ending.settings, read_rows(ending.folder)
    values = measures_from_metrics(experiment, rows)
    last = rows[-1]
    values |= {name: last[name] for name in ("train_top1", "val_top1", "val_loss", "val_top5")}
    # Products in tf32 are for training alone.
    precision = settings.precision if settings.precision in INFERENCE_PRECISIONS else "float32"
    network = Trained(
        ending.folder / LAST,
        backend=settings.backend,
        precision=precision,
        batch_size=settings.batch_size,
        workers=settings.workers,
        bad_images=settings.bad_images,
    )
    train, validation = load_sets(settings)
    values["val_images"] = len(validation)
    # Always the same images, whatever the seed of the run.
    sample = Subset(train, min(len(train), MOST_TRAINING_IMAGES), seed=0)
    on_training = network.evaluate(sample, split="train")
    values["train_top1_evaluated"] = on_training.accuracy(1).value
    if experiment.ten_views:
        one, ten = (network.evaluate(validation, views=views).rank == 1 for views in (1, 10))
        values["ten_views_top1"] = float(ten.mean())
        values["only_one_view"] = int((one & ~ten).sum())
        values["only_ten_views"] = int((ten & ~one).sum())
    if experiment.color_columns:
        conv1 = layers.convolutions(network.model)["conv1"]
        values["color_p"] = color_p(conv1.weight.numpy())
    return values


def measures_from_metrics(experiment: Experiment, rows: list[Row]) -> Values:
    """What the metrics of a run tell, be it complete or diverged; None for all other measures."""
    values: Values = dict.fromkeys(names(experiment))
    values["epochs"] = len(rows)
    if rows:
        values["images_per_s"] = rows[-1]["images_per_s"]
    values["seconds"] = round(sum(row["seconds"] for row in rows), 2)
    for epochs_to in experiment.epochs_to:
        values[epochs_to.column] = epochs_to.of(curve(epochs_to, curves(rows)))
    return values


def curves(rows: list[Row]) -> dict[str, list[float]]:
    """The curves of a run by name, one value for each epoch."""
    return {name: [row[name] for row in rows] for name in CURVES}


def curve(epochs_to: EpochsTo, run_curves: dict[str, list[float]]) -> list[float]:
    """The curve that a level belongs to."""
    if epochs_to.curve == "train_loss":
        return run_curves["train_loss"]
    return [1 - top1 for top1 in run_curves["train_top1"]]
