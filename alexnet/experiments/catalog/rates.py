"""Searches for learning rates, as experiments of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from alexnet.experiments.experiment import Experiment, Options

SEED = 1000  # of searches: no result has it


def rate_search(
    experiment: str,
    arms: Mapping[str, Options],
    tried: Mapping[str, Sequence[float]],
    **others: Any,
) -> Experiment:
    """The experiment "EXPERIMENT-rates": for each arm and each of its rates an arm "ARM-RATE".

    Args:
        experiment: whose rates are searched.
        others: arguments of `Experiment`.
    """
    return Experiment(
        name=f"{experiment}-rates",
        title=f"The learning rates of {experiment}",
        arms={f"{arm}-{rate}": {**arms[arm], "lr": rate} for arm in arms for rate in tried[arm]},
        seeds=1,
        first_seed=SEED,
        **others,
    )


def with_rates(arms: Mapping[str, Options], rates: Mapping[str, float]) -> dict[str, Options]:
    """The arms, each with its rate."""
    return {arm: {**options, "lr": rates[arm]} for arm, options in arms.items()}
