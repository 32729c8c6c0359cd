"""Arms of a search for learning rates."""

from collections.abc import Mapping, Sequence

from alexnet.experiments.experiment import Options

SEED = 1000  # of searches: no result has it


def with_rates(
    arms: Mapping[str, Options], tried: Mapping[str, Sequence[float]]
) -> dict[str, Options]:
    """For each arm and each of its rates an arm "ARM-RATE"."""
    return {f"{arm}-{rate}": {**arms[arm], "lr": rate} for arm in arms for rate in tried[arm]}
