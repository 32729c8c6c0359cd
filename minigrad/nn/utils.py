"""What is done with all gradients of a network at once."""

import math
import numbers
from collections.abc import Iterable

import numpy as np

from minigrad import backend
from minigrad.tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = False
) -> float:
    """Make gradients smaller, all by one factor, if together they are longer than `max_norm`.

    The factor is max_norm / (norm + 1e-6), where norm is that of all gradients as one vector, which
    is computed in float64. Where it is not finite, all gradients become nan or 0, as in PyTorch.
    The smaller gradients are new arrays, because several parameters may share one.

    Args:
        parameters: tensors of one device; those without a gradient do not count.
        max_norm: above 0; infinite to measure only.
        error_if_nonfinite: raise instead, and leave the gradients as they are.

    Returns:
        the norm before.

    Raises:
        ValueError: max_norm is not above 0.
        RuntimeError: the norm is not finite.
    """
    if not isinstance(max_norm, numbers.Real) or not max_norm > 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be above 0, got {max_norm!r}")
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    tensors = [tensor for tensor in tensors if tensor.grad is not None]
    if not tensors:
        return 0.0
    device = backend.backend_of(tensors[0].grad.data)
    norms = device.empty((len(tensors),), np.float64)
    for i, tensor in enumerate(tensors):
        values = device.contiguous(tensor.grad.data)
        device.kernels.vector_norm.forward(values, output=norms[i : i + 1])
    norm = math.hypot(*device.asnumpy(norms).tolist())
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {norm}")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        for tensor in tensors:
            tensor.grad = tensor.grad * factor
    return norm
