"""AlexNet (Krizhevsky, Sutskever, Hinton 2012) on minigrad."""

from alexnet import interrupts

interrupts.end_quietly_while_importing()  # what follows takes half a second

from alexnet.model import AlexNet, AlexNetOWT  # noqa: E402

__all__ = ["AlexNet", "AlexNetOWT"]
