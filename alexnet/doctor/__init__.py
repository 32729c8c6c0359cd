"""Finds before training what would keep a network from learning.

finding           what a check says
data_checks       images, labels, and how they are prepared
network_checks    parameters, signals, class scores
training_checks   stability, evaluation, overfitting a small batch, speed
examination       all checks, one after the other
"""

from alexnet.doctor.examination import examine
from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding

__all__ = ["OK", "PROBLEM", "WARNING", "Finding", "examine"]
