"""Which of its two algorithms a convolution on the GPU takes, and why.

For images of bfloat16, and where TF32 is allowed, the tensor cores gather their columns themselves.
Float64, exact float32 and input gradients with strides (or with padding as wide as the window) go
through im2col.
"""

import numpy as np

from minigrad.kernels.conv2d import cuda_implicit_gemm
from minigrad.kernels.shared.choice import Choice

IMPLICIT_GEMM, IM2COL = "implicit GEMM", "im2col"


def obstacle(function, images, output, weight, stride, padding, groups):
    """Why im2col is taken; None where it is not.

    Args:
        function: "forward", "forward_relu", "backward_input" or "backward_weight".
        images, output, weight: the arrays, or their gradients.
    """
    if function == "backward_input":
        KH, KW = weight.shape[2:]
        if stride != (1, 1):
            return "zeros between strides"
        if padding[0] >= KH or padding[1] >= KW:
            return "wide padding"
    return cuda_implicit_gemm.obstacle(images, output, weight, groups)


def choice(function, arguments):
    """The algorithm of a call, with its arguments by name, and the reason in words."""
    images = arguments["input" if "input" in arguments else "grad_input"]
    output = arguments["output" if "output" in arguments else "grad_output"]
    weight = arguments["weight" if "weight" in arguments else "grad_weight"]
    window = arguments["stride"], arguments["padding"], arguments["groups"]
    found = obstacle(function, images, output, weight, *window)
    precision = "TF32" if images.dtype == np.float32 else "bfloat16"
    return Choice(IM2COL, found) if found else Choice(IMPLICIT_GEMM, f"{precision} on tensor cores")
