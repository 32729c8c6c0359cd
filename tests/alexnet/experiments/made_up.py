"""Experiments and rows that no training has made, for tests of what is concluded from them."""

from alexnet.experiments import measures
from alexnet.experiments.experiment import (
    ColorColumns,
    Difference,
    Epochs,
    EpochsTo,
    Experiment,
    Ratio,
    TenViews,
)
from alexnet.experiments.record import DONE, Record, RunRow
from tests.alexnet.experiments.tiny import SEARCH

LEVEL = EpochsTo(0.25)
COMPARED = Experiment(
    name="made-up",
    title="Made up",
    section="Section 0",
    claims=("A claim.",),
    data="photos",
    settings={"image_size": 67, "epochs": 2, "batch_size": 4},
    arms={"one": {}, "other": {"lr": 0.001}},
    seeds=3,
    rates_from=SEARCH,
    epochs_to=(LEVEL,),
    ten_views=True,
    color_columns=True,
    comparisons=(
        Difference("one", "other", "val_error", sign=-1, size=0.02),
        Ratio("other", "one", LEVEL, size=6),
        TenViews("one", size=0.015),
        ColorColumns("one"),
        ColorColumns("other", null=True),
    ),
)


def row(arm="one", seed=0, *, state=DONE, experiment=COMPARED, **values):
    """A row with these measures, and any others."""
    known = dict.fromkeys(measures.names(experiment), 0.5)
    known |= {"epochs": 2, "val_images": 1000, "only_one_view": 10, "only_ten_views": 30}
    known |= {epochs_to.column: Epochs(2.0) for epochs_to in experiment.epochs_to}
    known |= {"color_p": None, **values}
    return RunRow(
        experiment=experiment.name,
        arm=arm,
        seed=seed,
        state=state,
        digest="0" * 12,
        version="0.1.0",
        commit=None,
        backend="cpu",
        threads=2,
        date="2026-01-01T00:00:00+00:00",
        data_digest="0" * 12,
        command="python -m alexnet.train --lr 0.01",
        values=known,
        settings={"lr": 0.01, "precision": "float32"},
        curves={name: [0.5, 0.75] for name in measures.CURVES},
    )


def record_with(folder, *rows, experiment=COMPARED):
    """A record of these rows, written to a file."""
    record = Record(folder / "rows.csv", experiment)
    for made_up in rows:
        record.append(made_up)
    return record


def rows_of(arm, name, values, **others):
    """A row for each value of a measure."""
    return [row(arm, seed, **{name: value}, **others) for seed, value in enumerate(values)]


def epochs(*values):
    """Measured epochs; a text ">60" stands for a run that never got there."""
    return [
        Epochs(float(value[1:]), censored=True) if isinstance(value, str) else Epochs(value)
        for value in values
    ]
