"""What an experiment is: a claim of the paper, arms to compare, and how the claim is decided."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

Options = Mapping[str, Any]  # of ``python -m alexnet.train``, by keyword, as `alexnet.fit` has them
NAME = re.compile(r"[a-z0-9]+([-.][a-z0-9]+)*")
QUICK_SEEDS = 2


class Epochs(NamedTuple):
    """Epochs until a level was reached; where `censored`, more than that, as training ended."""

    value: float
    censored: bool = False

    def __str__(self) -> str:
        return f">{self.value:g}" if self.censored else repr(self.value)


@dataclass(frozen=True)
class EpochsTo:
    """A measure: epochs until a curve of the training is at a level or below.

    The value of an epoch is a mean over its images while the network learns, so it stands for the
    middle of the epoch: that of epoch k for k - 1/2. Between two middles the curve is taken for a
    straight line. A first epoch that is at the level already counts as 1/2. A curve of n epochs
    that never gets there is known to take more than n - 1/2.

    Attributes:
        level: a share of the images ("train_error"), or a loss ("train_loss").
        curve: which of the two.
    """

    level: float
    curve: str = "train_error"

    def __post_init__(self) -> None:
        if self.curve not in ("train_error", "train_loss"):
            raise ValueError(f"curve must be 'train_error' or 'train_loss', got {self.curve!r}")

    @property
    def column(self) -> str:
        """The name in the record: "epochs_to_0.25", or "epochs_to_loss_1"."""
        return f"epochs_to_{'loss_' if self.curve == 'train_loss' else ''}{self.level:g}"

    def __str__(self) -> str:
        """In words: "25% training error"."""
        if self.curve == "train_loss":
            return f"a training loss of {self.level:g}"
        return f"{self.level:.0%} training error"

    def of(self, values: Sequence[float]) -> Epochs:
        """The epochs that a curve takes; `values` has one entry for each epoch."""
        for k, value in enumerate(values):
            if value <= self.level:
                if k == 0:
                    return Epochs(0.5)
                before = values[k - 1]
                return Epochs(k - 0.5 + (before - self.level) / (before - value))
        return Epochs(max(0.0, len(values) - 0.5), censored=True)


@dataclass(frozen=True)
class Difference:
    """A comparison of the means of two arms: Welch's t interval of `arm` minus `against`.

    Attributes:
        measure: a name of `alexnet.experiments.measures.MEASURES`.
        sign: of the difference that the paper claims, -1 or 1; 0 where it claims none.
        size: of that difference, in the unit of the measure; None where the paper has no number.
    """

    arm: str
    against: str
    measure: str
    sign: int
    size: float | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        return self.arm, self.against


@dataclass(frozen=True)
class Ratio:
    """A comparison of epochs: the geometric mean of `slower` over that of `faster`.

    The interval is that of the difference of the logarithms. Where a run never reaches the level,
    its epochs are only known to be more than it had, and so there is a bound and no interval.

    Attributes:
        size: what the paper says; None where it has no number. It claims a ratio above 1.
    """

    slower: str
    faster: str
    epochs_to: EpochsTo
    size: float | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        return self.slower, self.faster


@dataclass(frozen=True)
class TenViews:
    """A comparison on the same networks: the error with ten views of an image minus that with one.

    Attributes:
        size: by how much ten views lower the error, as a share of the images.
    """

    arm: str
    size: float | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm,)


@dataclass(frozen=True)
class ColorColumns:
    """In how many runs the two halves of conv1 differ in color selectivity (p < 0.05).

    Attributes:
        null: of a network without columns, whose halves are arbitrary; p < 0.05 is chance.
    """

    arm: str
    null: bool = False

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm,)


Comparison = Difference | Ratio | TenViews | ColorColumns


@dataclass(frozen=True)
class Experiment:
    """A claim of the paper, and the runs that decide whether it holds at this size.

    Attributes:
        name: on the command line and of folders.
        title: in a few words.
        section: of the paper; empty, as are the claims, where results alone are wanted.
        claims: the words of the paper, each a quotation.
        data: what `--data-root` has to hold: "cifar10", "imagenette", or "demo", which needs none.
        settings: options common to all runs.
        arms: the options in which each arm differs, by its name.
        seeds: how many are proposed; they are `first_seed` and those that follow it.
        first_seed: 0, but for a search of rates, whose seeds are no others' results.
        comparisons: how the claims are decided.
        rates_from: the experiment in which the rates of the arms were searched; None where they
            were not.
        epochs_to: epochs to measure.
        until: end each run when this is reached; `settings` has the most epochs.
        ten_views: whether the networks also see ten views of each image.
        color_columns: whether to test the halves of conv1 for color.
        minutes: of a run on two CPU cores, about.
        quick: the options in which the quick form differs.
        is_quick: whether this is the quick form of an experiment.

    Raises:
        ValueError: the declarations contradict each other.
    """

    name: str
    title: str
    data: str
    settings: Options
    arms: Mapping[str, Options]
    seeds: int
    section: str = ""
    claims: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    first_seed: int = 0
    rates_from: "Experiment | None" = None
    epochs_to: tuple[EpochsTo, ...] = ()
    until: EpochsTo | None = None
    ten_views: bool = False
    color_columns: bool = False
    minutes: float = math.nan
    quick: Options = field(default_factory=lambda: {"subset": 200, "epochs": 2})
    is_quick: bool = False

    def __post_init__(self) -> None:
        for name in (self.name, *self.arms):
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} must be of small letters, digits, and single hyphens or points"
                )
        for comparison in self.comparisons:
            if unknown := set(comparison.arms) - set(self.arms):
                raise ValueError(f"{self.name} compares {', '.join(unknown)}, which is no arm")
            if isinstance(comparison, Ratio) and comparison.epochs_to not in self.epochs_to:
                raise ValueError(f"{self.name} compares epochs that it does not measure")
            if isinstance(comparison, TenViews) and not self.ten_views:
                raise ValueError(f"{self.name} compares ten views without ten_views=True")
            if isinstance(comparison, ColorColumns) and not self.color_columns:
                raise ValueError(f"{self.name} compares columns without color_columns=True")
        if self.until is not None:
            self._require_extensible()

    def seed_numbers(self, count: int | None = None) -> range:
        """The seeds of the runs of an arm, by default as many as are proposed."""
        return range(self.first_seed, self.first_seed + (count or self.seeds))

    def _require_extensible(self) -> None:
        """A run that is extended by an epoch must be the run of that many epochs from the start."""
        if self.until not in self.epochs_to:
            raise ValueError(f"{self.name} ends at epochs that it does not measure")
        for options in self.arms.values():
            given = {**self.settings, **options}
            if given.get("lr_schedule") != "constant" or given.get("warmup") != 0:
                raise ValueError(
                    f"{self.name}: with `until` lr_schedule must be 'constant' and warmup 0, or "
                    "the rates would depend on the number of epochs"
                )

    def quick_form(self, has_data: bool) -> "Experiment":
        """A tiny form under another name, to see that everything works: no result.

        Args:
            has_data: whether the data are given; without them the demo set serves, under a third
                name, as rows of two data sets do not mix.
        """
        return replace(
            self,
            name=f"{self.name}-quick" if has_data else f"{self.name}-quick-demo",
            data=self.data if has_data else "demo",
            settings={**self.settings, **self.quick},
            seeds=min(self.seeds, QUICK_SEEDS),
            rates_from=None,
            is_quick=True,
        )
