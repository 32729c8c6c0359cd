"""minigrad: tensors with gradients, on NumPy and hand-written kernels."""

from minigrad import functional, nn, optim
from minigrad.autograd import Context, Function, is_grad_enabled, no_grad
from minigrad.backend import BackendError, manual_seed, set_float32_matmul_precision
from minigrad.gradcheck import GradcheckError, gradcheck
from minigrad.io import load, save
from minigrad.tensor import Tensor, tensor

__all__ = [
    "BackendError",
    "Context",
    "Function",
    "GradcheckError",
    "Tensor",
    "functional",
    "gradcheck",
    "is_grad_enabled",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "save",
    "set_float32_matmul_precision",
    "tensor",
]
