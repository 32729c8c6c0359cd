"""Local response normalization, then max-pooling, without the array between them.

    s[c] = k + alpha / size * sum of input[j]^2 over the window of channels of c
    normalized[c] = input[c] * s[c]^-beta                   at every image and position

    forward     output[n, oh, ow, c] = max of normalized[n, h, w, c] over the window of (oh, ow)
                argmax[n, oh, ow, c] = h * W + w of that element
    backward    grad[n, h, w, c] = sum of grad_output[n, oh, ow, c] over all windows with
                    argmax[n, oh, ow, c] = h * W + w
                grad_input[c] = grad[c] * s[c]^-beta - 2 * alpha * beta / size * input[c]
                    * sum of grad[j] * input[j] * s[j]^(-beta - 1) over all j whose window of
                      channels holds c

    input, grad_input       (N, H, W, C), C-contiguous as the others
    output, grad_output     (N, OH, OW, C)
    argmax                  (N, OH, OW, C) int32

Windows, arguments and the choice among equal maxima are those of `kernels/local_response_norm` and
`kernels/max_pool2d`, and so is the shape of the output.

Cost: the FLOPs of the two families. Forward reads the input and writes output and argmax, backward
reads grad_output, argmax and input and writes grad_input: each moves two arrays of the size of
the input less than the two families do. At batch 128 such an array of AlexNet has 149 or 96 MB.
"""

from minigrad.kernels import local_response_norm, max_pool2d


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return sum(family.flops(function, arguments) for family in (local_response_norm, max_pool2d))
