"""AlexNet (Krizhevsky, Sutskever, Hinton 2012) on minigrad."""

from alexnet.model import AlexNet, AlexNetOWT

__all__ = ["AlexNet", "AlexNetOWT"]
