"""im2col: the window of every output position becomes a row of a matrix.

    output[n, oh * OW + ow, (c * KH + kh) * KW + kw] = input[n, oh * SH + kh - PH,
                                                                ow * SW + kw - PW, c]

and 0 where that lies outside the image. A convolution is then a matrix product with the filters,
whose elements have the same order. ``backward`` (col2im) is the transposed map: every input
position gets the sum of the elements it was copied to.

    input, grad_input       (N, H, W, C)
    output, grad_output     (N, OH * OW, C * KH * KW), "the columns"

All arrays are C-contiguous; with channels first, as in the reference, a window is a column of the
matrix, hence the name.

Cost: no FLOPs forward, one addition for each element of the columns backward; the columns have
KH * KW / (SH * SW) times the bytes of the input.
"""

from minigrad.kernels.shared.arguments import check_arrays
from minigrad.kernels.shared.shapes import output_size


def output_shape(input_shape, kernel_size, stride, padding):
    """The shape of the columns of images (N, C, H, W), with channels first."""
    OH, OW = output_size(input_shape, kernel_size, stride, padding)
    return input_shape[0], input_shape[1] * kernel_size[0] * kernel_size[1], OH * OW


def check_columns(kernel, arrays, kernel_size, stride, padding):
    """Raise unless the arrays, by name the images and the columns, are those of the contract."""
    N, H, W, C = next(iter(arrays.values())).shape
    OH, OW = output_size((N, C, H, W), kernel_size, stride, padding, kernel)
    columns = N, OH * OW, C * kernel_size[0] * kernel_size[1]
    check_arrays(kernel, arrays, [(N, H, W, C), columns])


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return 0 if function == "forward" else arguments["grad_output"].size
