"""Which algorithm a kernel takes for a call, and why, for those who watch."""

from typing import NamedTuple


class Choice(NamedTuple):
    """The algorithm of a call.

    Attributes:
        algorithm: its name, such as "winograd".
        reason: what about the call decided, such as "3x3, stride 1, 192 channels in a group".
    """

    algorithm: str
    reason: str
