"""im2col and col2im in plain loops."""


def forward(input, kernel_size, stride, padding, *, output):
    N, C, H, W = input.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    OH, OW = (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1
    output[...] = 0
    for n in range(N):
        for c in range(C):
            for kh in range(KH):
                for kw in range(KW):
                    for oh in range(OH):
                        for ow in range(OW):
                            h, w = oh * SH + kh - PH, ow * SW + kw - PW
                            if 0 <= h < H and 0 <= w < W:
                                row = (c * KH + kh) * KW + kw
                                output[n, row, oh * OW + ow] = input[n, c, h, w]


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    N, C, H, W = grad_input.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    OH, OW = (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1
    grad_input[...] = 0
    for n in range(N):
        for c in range(C):
            for kh in range(KH):
                for kw in range(KW):
                    for oh in range(OH):
                        for ow in range(OW):
                            h, w = oh * SH + kh - PH, ow * SW + kw - PW
                            if 0 <= h < H and 0 <= w < W:
                                row = (c * KH + kh) * KW + kw
                                grad_input[n, c, h, w] += grad_output[n, row, oh * OW + ow]
