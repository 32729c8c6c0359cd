"""The hand-written kernels: they know arrays, nothing about tensors or gradients.

One family is one folder, always with the same files:

    __init__.py    the contract: formula, shapes, meaning of every argument, ``output_shape()``
    reference.py   plain loops, any float type: the oracle of the tests
    cpu.py         Numba
    cuda.cu        CUDA C, and cuda.py, which launches it

A backend is a module and dispatch is attribute look-up: ``Kernels("cpu").conv2d.forward(...)``
calls ``kernels/conv2d/cpu.py``. Kernels fill the arrays they are given as ``output=`` and assume
valid input, C-contiguous but for images, which may lie in memory in either order
(`kernels/_layout.py`); ``minigrad/functional.py`` is where arguments are checked. The same input
gives the same bits every time. On the GPU float32 numbers below 1.2e-38 (denormal ones) count as
zero, in arrays that kernels read and in those that they write: CuPy compiles with ``-ftz=true``.

What the families share is in ``_team.py`` (threads of the CPU), ``_microkernel.py`` and ``_gemm.py``
(its matrix product), in ``_device.py`` (the GPU), ``_common.cuh`` and ``_ptx.cuh``; what a family
shares with the one that computes it together with the next layer, in ``_local_response_norm.*`` and
``_max_pool2d.*``.

Notation of every loop: ``n`` image, ``c`` channel, ``h w`` position; ``ic oc`` input and
output channel, ``ih iw oh ow`` input and output position, ``kh kw`` position in the window.
Capitals are the sizes: ``N C H W``, ``OH OW``, ``KH KW``.
"""

import importlib
from types import ModuleType


class Kernels:
    """The kernels of one backend, each family imported when it is first used."""

    def __init__(self, backend: str):
        self.backend = backend
        # Order in memory of images of shape (N, C, H, W) that these kernels like best.
        self.channels_last = backend != "reference"

    def __getattr__(self, family: str) -> ModuleType:
        module = importlib.import_module(f"kernels.{family}.{self.backend}")
        setattr(self, family, module)
        return module
