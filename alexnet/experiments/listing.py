"""The list of all experiments."""

import math
from collections.abc import Mapping
from pathlib import Path

from alexnet import cli
from alexnet.errors import DataError
from alexnet.experiments.experiment import Experiment
from alexnet.experiments.record import Record

INDENTED = "  "


def listing(experiments: Mapping[str, Experiment], record_of: Mapping[str, Path]) -> str:
    """For each experiment its subject, arms and seeds, what it costs, and the rows there are.

    Args:
        record_of: by name, the file of its record, which may not exist.
    """
    return "\n\n".join(
        _lines(experiment, _rows(experiment, record_of[name]))
        for name, experiment in experiments.items()
    )


def _rows(experiment: Experiment, path: Path) -> str:
    """How many of the declared runs have a row, or what is wrong with the record."""
    runs = len(experiment.arms) * experiment.seeds
    try:
        keys = Record(path, experiment).rows
    except (DataError, OSError) as error:
        return cli.one_line(str(error))
    rows = sum(arm in experiment.arms and seed in experiment.seed_numbers() for arm, seed in keys)
    return f"rows: {rows} of {runs}"


def _lines(experiment: Experiment, rows: str) -> str:
    runs = len(experiment.arms) * experiment.seeds
    arms = f"{cli.counted(len(experiment.arms), 'arm')} ({', '.join(experiment.arms)})"
    return "\n".join(
        [
            f"{experiment.name}: {experiment.title}",
            f"{INDENTED}{experiment.section or 'results only, no claim of the paper'}",
            f"{INDENTED}{experiment.data}; {arms}, {cli.counted(experiment.seeds, 'seed')}",
            f"{INDENTED}{rows}; {_cost(experiment, runs)}",
        ]
    )


def _cost(experiment: Experiment, runs: int) -> str:
    if math.isnan(experiment.minutes):
        return "cost unknown"
    hours = experiment.minutes * runs / 60
    return f"about {experiment.minutes:g} min a run, {hours:.2g} h in all, on two cores"
