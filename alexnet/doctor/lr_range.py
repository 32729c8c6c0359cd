"""A curve of the loss over the learning rate, which grows from step to step (Smith 2017).

"Cyclical learning rates for training neural networks", section 3.3. The rate grows by the same
factor in every step, so a curve of 100 steps sees each rate once, from the start of the network: it
tells where learning begins and where it breaks, and not which rate is best in the end.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alexnet.data.batch import Share, sent_ahead
from alexnet.errors import Diverged
from alexnet.style import BLUE, GRAY, VERMILION, new_figure, plain
from alexnet.training.state import Size
from alexnet.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

STEPS = 100
# As shares of the run's --lr; the rates of LARS and Adam have other sizes.
LOWEST, HIGHEST = 1e-3, 1e3
# The mean of the losses so far, the latest of which count most: what a step changes is less than
# what the images of its batch differ by.
MEMORY = 0.9
# The curve ends where the mean is this multiple of its lowest value; learning has begun where it
# has fallen by this share of all that it falls; and a rate is safe at this share of the best one.
END_FACTOR, BEGUN_SHARE, SAFE_SHARE = 3.0, 0.1, 0.3


class Curve(NamedTuple):
    """The losses of steps with growing rates.

    Attributes:
        rates: of the weights, growing.
        losses: of the batches, each before its step.
        means: of the losses so far.
    """

    rates: list[float]
    losses: list[float]
    means: list[float]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """From where the loss falls to a safe distance from its lowest.

        None if the mean never falls by more than the losses of two batches differ, by their median.

        Where it falls so steeply that there is no such distance, both are the rate there.
        """
        lowest = min(range(len(self.means)), key=self.means.__getitem__)
        fall = self.means[0] - self.means[lowest]
        if len(self.losses) < 2 or not fall > np.median(np.abs(np.diff(self.losses))):
            return None
        level = self.means[0] - BEGUN_SHARE * fall
        begun = next(i for i, mean in enumerate(self.means) if mean <= level)
        low = self.rates[begun]
        return low, max(low, SAFE_SHARE * self.rates[lowest])


def measure(trainer: Trainer) -> Curve:
    """Train with rates from a thousandth to a thousand times the run's; changes the parameters.

    Ends early where the loss has grown, or is not finite any more.
    """
    rates: list[float] = []
    losses: list[float] = []
    means: list[float] = []
    mean = 0.0
    trainer.model.train()
    with contextlib.closing(_shares(trainer)) as shares:
        for share in sent_ahead(shares, trainer.backend):
            sizes = trainer.agree_on(share)
            if not Size.sum(sizes).images:
                continue  # every image of the batch is skipped
            factor = LOWEST * (HIGHEST / LOWEST) ** (len(rates) / (STEPS - 1))
            for group in trainer.optimizer.groups:
                group["lr"] = group["initial_lr"] * factor
            rate = trainer.optimizer.groups[0]["lr"]
            try:
                loss, _ = trainer.step(share, sizes)
            except Diverged:
                break
            rates.append(rate)
            losses.append(loss)
            mean = MEMORY * mean + (1 - MEMORY) * loss
            means.append(mean / (1 - MEMORY ** len(losses)))
            if len(rates) == STEPS or means[-1] > END_FACTOR * min(means):
                break
    return Curve(rates, losses, means)


def _shares(trainer: Trainer) -> Iterator[Share]:
    """Batches of as many epochs as it takes."""
    for epoch in itertools.count():
        steps = trainer.schedule.steps
        yield from trainer.train_loader.shares(epoch)
        if trainer.schedule.steps == steps:
            raise trainer.train_loader.nothing_usable()


def figure(curve: Curve, title: str) -> Figure:
    """The losses, their mean, and the range."""
    figure = new_figure(3.6, layout="constrained")
    axes = figure.subplots()
    plain(axes)
    axes.plot(curve.rates, curve.losses, ".", color=GRAY, markersize=3, label="loss of a batch")
    axes.plot(curve.rates, curve.means, color=BLUE, label="mean of the last ones")
    if curve.bounds is not None:
        low, high = curve.bounds
        axes.axvspan(low, high, color=VERMILION, alpha=0.12, lw=0, label=f"{low:.1g} to {high:.1g}")
    axes.set_xscale("log")
    top = min(max(curve.losses), 2 * curve.means[0])
    axes.set_ylim(min(0.9 * min(curve.means), min(curve.losses)), 1.05 * top)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.set_title(title, fontsize=9, loc="left", parse_math=False)
    axes.legend(frameon=False, fontsize=8)
    return figure
