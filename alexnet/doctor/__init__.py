"""What keeps a network from learning, found before training: the checks, one after the other.

finding          what a check says
data_checks      images, labels, and how they are prepared
network_checks   parameters, signals, losses, and whether a batch can be learnt by heart
"""

from alexnet.doctor.examination import examine
from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding

__all__ = ["OK", "PROBLEM", "WARNING", "Finding", "examine"]
