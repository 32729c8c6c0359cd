"""minigrad: tensors with gradients, on NumPy and hand-written kernels."""

import minigrad.startup  # noqa: F401  (before Numba is imported)
from minigrad import functional, nn, optim
from minigrad.autocast import autocast
from minigrad.autograd import Context, Function, is_grad_enabled, no_grad
from minigrad.backend import BackendError
from minigrad.cuda import set_float32_matmul_precision
from minigrad.drawing import draw
from minigrad.gradcheck import GradcheckError, gradcheck
from minigrad.io import load, save
from minigrad.operators import Tensor  # defined in minigrad.tensor, complete from here on
from minigrad.prepared import PreparedWeights
from minigrad.random import manual_seed
from minigrad.summary import summary
from minigrad.tensor import tensor
from minigrad.trace import environment as trace_environment
from minigrad.trace import trace

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "Context",
    "Function",
    "GradcheckError",
    "PreparedWeights",
    "Tensor",
    "autocast",
    "draw",
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
    "summary",
    "tensor",
    "trace",
]

trace_environment.begin()
