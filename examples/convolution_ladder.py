"""One convolution, computed in five ways that give the same numbers, from loops to Winograd.

    python examples/convolution_ladder.py               # conv3 of AlexNet, 8 images
    python examples/convolution_ladder.py --images 128

docs/kernels.md explains the steps. The last column divides the FLOPs of the plain sum by the time,
for every step: Winograd's algorithm needs fewer, so its figure may exceed what the machine can do.
"""

import argparse
import time

import numpy as np
from numba import njit

from alexnet import cli
from minigrad.kernels.conv2d import (
    cpu_direct,
    cpu_im2col,
    cpu_winograd,
    output_shape,
    reference,
)

STRIDE, PADDING, GROUPS = (1, 1), (1, 1), 1


@njit
def compiled_loops(input, weight, padded, output):
    """The formula of the contract for stride 1, padding 1: seven loops, one product at a time."""
    N, C, H, W = input.shape
    padded[:, :, 1 : H + 1, 1 : W + 1] = input
    for n in range(N):
        for oc in range(len(weight)):
            for oh in range(H):
                for ow in range(W):
                    total = input.dtype.type(0)
                    for ic in range(C):
                        for kh in range(3):
                            for kw in range(3):
                                total += weight[oc, ic, kh, kw] * padded[n, ic, oh + kh, ow + kw]
                    output[n, oc, oh, ow] = total


def shortest(function, seconds):
    """The time of the fastest of the runs that fit into `seconds`; the first one compiles."""
    function()
    times = []
    while sum(times) < seconds:
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=cli.count, default=8)
    parser.add_argument(
        "--channels", type=cli.count, nargs=2, default=(256, 384), help="in and out"
    )
    parser.add_argument("--seconds", type=cli.positive, default=2.0, help="to time each step for")
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    in_channels, out_channels = arguments.channels
    images = rng.standard_normal((arguments.images, in_channels, 13, 13)).astype(np.float32)
    weight = rng.standard_normal((out_channels, in_channels, 3, 3)).astype(np.float32)
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    shape = output_shape(images.shape, weight.shape, STRIDE, PADDING, GROUPS)
    flops = 2 * np.prod(shape) * np.prod(weight.shape[1:])
    padded = np.zeros((*images.shape[:2], 15, 15), np.float32)
    expected = np.empty(shape, np.float32)
    compiled_loops(images, weight, padded, expected)

    print(f"{arguments.images} images of {in_channels}x13x13, {out_channels} filters of 3x3")
    print(f"{'':<22}{'ms':>10}{'GFLOP/s':>10}{'largest error':>15}")

    def show(name, run, output, part=1.0):
        """Time a step; `part` is the share of the layer that it computes."""
        ms = shortest(run, arguments.seconds) * 1e3 / part
        error = np.abs(output - expected[: len(output), : output.shape[1]]).max()
        relative = error / np.abs(expected).max()
        print(f"{name:<22}{ms:>10.1f}{flops / ms / 1e6:>10.4g}{relative:>15.1e}")

    # Plain Python would need minutes for all of it: one filter and one image are enough.
    one = np.empty((1, 1, *shape[2:]), np.float32)
    arrays = images[:1], weight[:1], None
    show(
        "loops in Python",
        lambda: reference.forward(*arrays, STRIDE, PADDING, GROUPS, output=one),
        one,
        part=1 / (arguments.images * out_channels),
    )
    plain = np.empty(shape, np.float32)
    show("the loops, compiled", lambda: compiled_loops(images, weight, padded, plain), plain)
    for name, path in (
        ("im2col and product", cpu_im2col),
        ("direct", cpu_direct),
        ("Winograd", cpu_winograd),
    ):
        output = np.empty((len(images), 13, 13, out_channels), np.float32)

        def run(path=path, output=output):
            path.forward(channels_last, weight, None, STRIDE, PADDING, GROUPS, output=output)

        show(name, run, output.transpose(0, 3, 1, 2))


if __name__ == "__main__":
    main()
