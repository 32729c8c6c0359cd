"""The list of all experiments."""

import math
from collections.abc import Mapping
from pathlib import Path

from alexnet import cli
from alexnet.experiments.experiment import Experiment
from alexnet.experiments.record import Record

INDENTED = "  "


def listing(experiments: Mapping[str, Experiment], record_of: Mapping[str, Path]) -> str:
    """For each experiment its subject, arms and seeds, what it costs, and the rows there are.

    Args:
        record_of: by name, the file of its record, which may not exist.

    Raises:
        DataError: a record is damaged.
    """
    return "\n\n".join(
        _lines(experiment, len(Record(record_of[name], experiment).rows))
        for name, experiment in experiments.items()
    )


def _lines(experiment: Experiment, rows: int) -> str:
    runs = len(experiment.arms) * experiment.seeds
    arms = f"{cli.counted(len(experiment.arms), 'arm')} ({', '.join(experiment.arms)})"
    return "\n".join(
        [
            f"{experiment.name}: {experiment.title}",
            f"{INDENTED}{experiment.section or 'results alone, no claim of the paper'}",
            f"{INDENTED}{experiment.data}; {arms}, {cli.counted(experiment.seeds, 'seed')}",
            f"{INDENTED}rows: {rows} of {runs}; {_cost(experiment, runs)}",
        ]
    )


def _cost(experiment: Experiment, runs: int) -> str:
    if math.isnan(experiment.minutes):
        return "cost unknown"
    hours = experiment.minutes * runs / 60
    return f"about {experiment.minutes:g} min a run, {hours:.2g} h in all, on two cores"
