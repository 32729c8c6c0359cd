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

Cost of each of the three: 2 * N * OC * OH * OW * (C / groups) * KH * KW FLOPs.
"""

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
