"""im2col: lay the window of every output position out as a column.

    output[n, (c * KH + kh) * KW + kw, oh * OW + ow] = input[n, c, oh * SH + kh - PH,
                                                                   ow * SW + kw - PW]

and 0 where that lies outside the image. A convolution is then one matrix product per
image. ``backward`` (col2im) is the transposed map: every input position gathers the sum of
the columns it was copied to.

    input     (N, C, H, W)
    output    (N, C * KH * KW, OH * OW)

Cost: no FLOPs; KH * KW / (SH * SW) times the bytes of the input are written.
"""


def output_size(input_shape, kernel_size, stride, padding):
    """(OH, OW) of a convolution window; ValueError where it does not fit the input."""
    sizes = []
    for name, size, window, step, pad in zip(
        ("height", "width"), input_shape[2:], kernel_size, stride, padding
    ):
        if size + 2 * pad < window:
            raise ValueError(
                f"conv2d: window {kernel_size[0]}x{kernel_size[1]} with padding {pad} does not "
                f"fit input {name} {size} (input shape {tuple(input_shape)})"
            )
        sizes.append((size + 2 * pad - window) // step + 1)
    return tuple(sizes)


def output_shape(input_shape, kernel_size, stride, padding):
    OH, OW = output_size(input_shape, kernel_size, stride, padding)
    return input_shape[0], input_shape[1] * kernel_size[0] * kernel_size[1], OH * OW
