"""The precision of products, as commands name it. All else is float32."""

from alexnet.errors import UsageError
from minigrad import autocast

PRECISIONS = ("float32", "tf32", "bf16")
CPU_PRECISIONS = ("float32", "bf16")


def require_available(precision: str, backend: str) -> None:
    """Raise unless products can have this precision.

    Raises:
        BackendError: the processor has no instructions for it.
        UsageError: it is not for this backend.
    """
    if precision == "bf16" and backend == "cuda":
        raise UsageError("bf16 is a precision of the CPU; the GPU has float32 and tf32")
    with products_in(precision):
        pass


def products_in(precision: str) -> autocast:
    """The block in which a network is called, so that its products have this precision.

    The backward pass follows from it, wherever it is made. TF32 is chosen for the whole process,
    by `minigrad.set_float32_matmul_precision`.
    """
    return autocast("bfloat16", enabled=precision == "bf16")
