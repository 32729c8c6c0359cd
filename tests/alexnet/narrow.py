"""Narrow networks: all that a command does, in a hundredth of the time."""

from alexnet.model import AlexNet, AlexNetOWT


class NarrowAlexNet(AlexNet):
    """A tenth of the channels."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)


class NarrowOWT(AlexNetOWT):
    """The same of the other network."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)
