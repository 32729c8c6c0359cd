"""2-d convolution (cross-correlation) with stride, zero padding and groups.

    output[n, oh, ow, oc] = bias[oc] + sum over ic, kh, kw of
        weight[oc, ic, kh, kw] * input[n, oh * SH + kh - PH, ow * SW + kw - PW, g * C/G + ic]

where g = oc // (OC / G) is the group of the output channel and input outside the image is 0.

    input, grad_input       (N, H, W, C)
    output, grad_output     (N, OH, OW, OC)
    weight, grad_weight     (OC, C / groups, KH, KW)
    bias                    (OC,) or None

All arrays are C-contiguous. ``forward_relu`` writes max(output, 0) instead, in the same
pass where a path can.
``backward_input`` and ``backward_weight`` are the transposed maps of the same sum; the bias
gradient is `kernels.bias`'s. A dilation is made of convolutions without one
(minigrad/ops/dilation.py).

With ``bfloat16=True`` factors are rounded to bfloat16 before they are multiplied
(`kernels.shared.bfloat16`): input and weight, grad_output and weight, grad_output and input. Sums,
the bias and the gradients of parameters are float32. On the CPU so is what is written, and a path
may also round what it computes from the factors, and multiply that. On a GPU images and their
gradients are bfloat16, what is read and what is written.

Cost of each of the three: 2 * N * OC * OH * OW * (C / groups) * KH * KW FLOPs.
"""

import math

from minigrad.kernels.shared.arguments import check_arrays, check_rounding
from minigrad.kernels.shared.shapes import output_size


def output_shape(input_shape, weight_shape, stride, padding, groups):
    """(N, OC, OH, OW) for an input shape (N, C, H, W).

    Raises:
        ValueError: input, weight and groups do not fit together.
    """
    N, C = input_shape[:2]
    OC, IC, KH, KW = weight_shape
    if OC % groups:
        raise ValueError(
            f"conv2d: weight has {OC} output channels (shape {tuple(weight_shape)}), expected "
            f"a multiple of groups={groups}"
        )
    if C != IC * groups:
        raise ValueError(
            f"conv2d: input has {C} channels (shape {tuple(input_shape)}), expected "
            f"{IC * groups} for weight shape {tuple(weight_shape)} and groups={groups}"
        )
    return (N, OC, *output_size(input_shape, (KH, KW), stride, padding))


def check_convolution(kernel, arrays, stride, padding, groups, bfloat16=False):
    """Raise unless the arrays are those of the contract.

    Args:
        kernel: its name, with which messages begin.
        arrays: by name and in this order: input, weight and output, or their gradients, then the
            bias or None.
        bfloat16: whether factors are rounded to it.
    """
    input, weight, *_ = arrays.values()
    N, H, W, C = input.shape
    _, OC, OH, OW = output_shape((N, C, H, W), weight.shape, stride, padding, groups)
    shapes = input.shape, weight.shape, (N, OH, OW, OC), (OC,)
    check_arrays(kernel, arrays, shapes, parameters=("weight", "grad_weight", "bias"))
    check_rounding(kernel, input, bfloat16)


def multiply_adds(output_shape, weight_shape):
    """Of the direct sum, which each of the three maps is; Winograd's algorithm makes fewer."""
    return math.prod(output_shape) * math.prod(weight_shape[1:])


def flops(function, arguments):
    """Of a call, with its arguments by name: two for each multiply-add of the direct sum."""
    output = arguments["output" if function in ("forward", "forward_relu") else "grad_output"]
    weight = arguments["grad_weight" if function == "backward_weight" else "weight"]
    return 2 * multiply_adds(output.shape, weight.shape)
