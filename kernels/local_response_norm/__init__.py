"""Local response normalization across channels (section 3.3 of the AlexNet paper).

    s[c]        = k + alpha / size * sum of input[j]^2 over the window of c
    window of c = channels j with c - size // 2 <= j <= c + (size - 1) // 2, 0 <= j < C

    forward     output[c] = input[c] * s[c]^-beta
    backward    grad_input[c] = grad_output[c] * s[c]^-beta - 2 * alpha * beta / size * input[c]
                    * sum of grad_output[j] * input[j] * s[j]^(-beta - 1) over all j whose
                      window holds c: c - (size - 1) // 2 <= j <= c + size // 2, 0 <= j < C

    because output[j] depends on input[c] by itself if j = c, and through s[j] for every j whose
    window holds c: d output[j] / d s[j] = -beta * input[j] * s[j]^(-beta - 1), and
    d s[j] / d input[c] = 2 * alpha / size * input[c].

at every image and position separately. All arrays have the shape (N, ..., C) and are C-contiguous.
``size`` is the number of channels in a window, even or odd, also larger than C. ``alpha`` is
divided by ``size``, as in PyTorch; the paper's alpha multiplies the bare sum, so its 1e-4 is 5e-4
here. Nothing is saved for backward, which computes s again from ``input``: s costs less to compute
than to read. AlexNet is trained by `local_response_norm_max_pool2d`, which has the same pixel
arithmetic (pixel.py, pixel.cuh).

Cost per element, with size n: 2n + 4 FLOPs and two roots forward, 3n + 10 and two roots
backward at beta = 0.75; forward moves 2 arrays, backward 3, once.
"""


def window_extent(size: int, C: int) -> tuple[int, int]:
    """How many channels before and after its own a window holds, at most."""
    if size < 1:
        raise ValueError(f"local_response_norm: size must be at least 1, got {size}")
    return min(size // 2, C - 1), min((size - 1) // 2, C - 1)


def flops(function, arguments):
    """Of a call, with its arguments by name; a root counts as one."""
    input = arguments["input"]
    window = 1 + sum(window_extent(arguments["size"], input.shape[-1]))
    return (2 * window + 6 if function == "forward" else 3 * window + 12) * input.size
