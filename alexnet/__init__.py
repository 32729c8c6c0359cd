"""AlexNet (Krizhevsky, Sutskever, Hinton 2012) on minigrad."""

from typing import TYPE_CHECKING, Any

from alexnet import interrupts

interrupts.end_quietly_while_importing()  # what follows takes half a second

from alexnet.model import AlexNet, AlexNetOWT  # noqa: E402

if TYPE_CHECKING:
    from alexnet.network import Network, fit, load

__all__ = ["AlexNet", "AlexNetOWT", "Network", "fit", "load"]


def __getattr__(name: str) -> Any:
    """Import what trains and uses networks when it is first asked for: it takes a second."""
    if name in ("Network", "fit", "load"):
        from alexnet import network

        return getattr(network, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
