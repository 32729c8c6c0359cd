"""The precision of products, as commands name it. All else is float32."""

from minigrad import autocast
from minigrad.backend import Backend

PRECISIONS = ("float32", "tf32", "bf16")
# What a trained network can be used in, on every device.
INFERENCE_PRECISIONS = ("float32", "bf16")


def require_available(precision: str, device: Backend) -> None:
    """Raise unless products can have this precision on a device.

    Raises:
        BackendError: it lacks the instructions.
    """
    if precision == "bf16":
        device.require_bfloat16()


def products_in(precision: str) -> autocast:
    """The block in which a network is called, so that its products have this precision.

    The backward pass follows from it, wherever it is made. TF32 is chosen for the whole process,
    by `minigrad.set_float32_matmul_precision`.
    """
    return autocast("bfloat16", enabled=precision == "bf16")
