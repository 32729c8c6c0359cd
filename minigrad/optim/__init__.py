"""Optimizers and learning-rate schedules."""

from minigrad.optim.adam import Adam
from minigrad.optim.average import ExponentialMovingAverage
from minigrad.optim.lars import LARS
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.schedule import (
    CosineWithWarmup,
    DivideOnPlateau,
    MultiStep,
    Schedule,
    Step,
)
from minigrad.optim.sgd import SGD

__all__ = [
    "LARS",
    "SGD",
    "Adam",
    "CosineWithWarmup",
    "DivideOnPlateau",
    "ExponentialMovingAverage",
    "MultiStep",
    "Optimizer",
    "Schedule",
    "Step",
]
