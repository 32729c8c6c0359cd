"""The fast kernels on random shapes: every result right, and nothing written beside it.

    python -m tests.stress.random_shapes            # 5,000 shapes, about two minutes
    python -m tests.stress.random_shapes 200 --seed 7 --backend cuda      # in the emulator

The kernels write through raw pointers, so each output lies between guards that must not change. The
shape is printed before it runs: after a crash, the last line names it. Exit status 1 at the first
wrong result.
"""

import argparse
import faulthandler
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.kernels import avg_pool2d, conv2d, max_pool2d
from minigrad.kernels.conv2d import cpu_winograd
from minigrad.kernels.conv2d.winograd_algorithms import MOST_BFLOAT16_OUTPUTS
from minigrad.kernels.shared.bfloat16 import round_to_bfloat16
from tests import bfloat16, cuda_emulator
from tests.kernels.on_device import Kernels

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
GUARD, GUARD_VALUE = 64, 12345
# Products of the largest convolution, of the largest one with many channels, and of the largest one
# that is compared with the plain loops.
LARGEST, LARGEST_OF_MANY_CHANNELS, LARGEST_IN_LOOPS = 4_000_000, 60_000_000, 10_000

reference = Kernels("reference")


Draw = tuple[str, Callable[[], None]]


class WrongResult(Exception):
    """A kernel differs from the reference, or wrote where nothing of it belongs."""


class Outputs:
    """Arrays for kernels to write to, each between two guards."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []

    def images(self, shape: tuple[int, int, int, int], dtype: np.dtype) -> np.ndarray:
        """(N, C, H, W), channels last in memory, so that kernels write to it and not to a copy."""
        N, C, H, W = shape
        return self.array((N, H, W, C), dtype).transpose(0, 3, 1, 2)

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Filled with NaN (or -1): an element never written is seen."""
        block = np.full(int(np.prod(shape)) + 2 * GUARD, GUARD_VALUE, dtype)
        self._blocks.append(block)
        inner = block[GUARD:-GUARD].reshape(shape)
        inner[...] = np.nan if inner.dtype.kind == "f" else -1
        return inner

    def check_guards(self) -> None:
        for block in self._blocks:
            if (block[:GUARD] != GUARD_VALUE).any() or (block[-GUARD:] != GUARD_VALUE).any():
                raise WrongResult("a kernel wrote beside its output")


def compare(name: str, actual: np.ndarray, expected: np.ndarray, rounded_terms: int = 0) -> None:
    """Raise unless both are equal up to rounding.

    Args:
        rounded_terms: how many products of numbers, rounded to bfloat16 after they were computed
            from the factors, are summed; 0 where no such numbers are rounded.
    """
    limit = TOLERANCE[actual.dtype.name] * max(1.0, float(np.abs(expected).max(initial=0)))
    if rounded_terms:
        limit = bfloat16.largest_error(expected, rounded_terms)
    error = np.abs(actual - expected).max(initial=0)
    if not error <= limit:
        raise WrongResult(f"{name} is off by {error:.1e}, at most {limit:.1e} is rounding")


# -- convolution --------------------------------------------------------------------------


def convolution_by_einsum(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    grad_output: np.ndarray,
    stride: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
) -> list[np.ndarray]:
    """Output and both gradients in float64; loops would take minutes where channels are many."""
    input, weight, grad_output = (a.astype(np.float64) for a in (input, weight, grad_output))
    N, C, H, W = input.shape
    OC, IC, KH, KW = weight.shape
    (SH, SW), (PH, PW) = stride, padding
    padded = np.pad(input, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    windows = sliding_window_view(padded, (KH, KW), axis=(2, 3))[:, :, ::SH, ::SW]
    windows = windows.reshape(N, groups, IC, *windows.shape[2:])
    filters = weight.reshape(groups, OC // groups, IC, KH, KW)
    gradients = grad_output.reshape(N, groups, OC // groups, *grad_output.shape[2:])
    output = np.einsum("ngihwkl,goikl->ngohw", windows, filters, optimize=True)
    grad_weight = np.einsum("ngihwkl,ngohw->goikl", windows, gradients, optimize=True)
    grad_padded = np.zeros((N, groups, IC, H + 2 * PH, W + 2 * PW))
    OH, OW = grad_output.shape[2:]
    for kh, kw in np.ndindex(KH, KW):
        under = grad_padded[:, :, :, kh : kh + SH * OH : SH, kw : kw + SW * OW : SW]
        under += np.einsum("ngohw,goi->ngihw", gradients, filters[..., kh, kw], optimize=True)
    return [
        output.reshape(grad_output.shape) + bias[:, None, None],
        grad_padded.reshape(N, C, H + 2 * PH, W + 2 * PW)[:, :, PH : PH + H, PW : PW + W],
        grad_weight.reshape(weight.shape),
    ]


def draw_convolution(rng: np.random.Generator, fast: Any) -> Draw:
    """Sizes are drawn evenly over their logarithm, so that edges and panels both are met."""

    def size(largest: int) -> int:
        return int(np.exp(rng.uniform(0, np.log(largest + 1))))

    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        N, IC, OC = size(9), size(80), size(80) * groups
        H, W = size(24), size(24)
        square = rng.random() < 0.6
        KH = size(7)
        KW = KH if square else size(7)
        stride = (1, 1) if rng.random() < 0.6 else (size(4), size(4))
        padding = size(KH + 1) - 1, size(KW + 1) - 1
        input, weight = (N, IC * groups, H, W), (OC, IC, KH, KW)
        if 0 < products_of(input, weight, stride, padding) <= LARGEST:
            return check_convolution(rng, fast, input, weight, (stride, padding, groups))


def draw_many_channels(rng: np.random.Generator, fast: Any) -> Draw:
    """Convolutions for Winograd's algorithm, which few of the others are large enough for."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        N, IC, OC = (int(rng.integers(1, largest)) for largest in (9, 100, 160))
        H, W = (int(side) for side in rng.integers(4, 34, 2))
        taps = int(rng.integers(2, 6))
        SH, SW = (1, 1) if rng.random() < 0.7 else (int(s) for s in rng.integers(1, 5, 2))
        KH, KW = (taps * s - int(rng.integers(0, s)) for s in (SH, SW))
        padding = int(rng.integers(0, KH + 1)), int(rng.integers(0, KW + 1))
        input, weight, stride = (N, IC * groups, H, W), (OC * groups, IC, KH, KW), (SH, SW)
        if 0 < products_of(input, weight, stride, padding) <= LARGEST_OF_MANY_CHANNELS:
            output = conv2d.output_shape(input, weight, stride, padding, groups)
            if takes_winograd(output, weight, stride, groups, "bfloat16"):
                return check_convolution(rng, fast, input, weight, (stride, padding, groups))


def draw_precision(rng, fast) -> tuple[str, np.dtype, dict[str, bool]]:
    """Its name, the type of the arrays, and the options of the kernels."""
    names = ["float32", "float64"]
    if fast.name == "cpu":  # the GPU has no kernels for bfloat16 so far
        names.append("bfloat16")
    name = str(rng.choice(names))
    dtype = np.dtype("float64" if name == "float64" else "float32")
    return name, dtype, {"bfloat16": True} if name == "bfloat16" else {}


def products_of(input, weight, stride, padding) -> int:
    """Of the direct sum; 0 where the window does not fit into the image."""
    OH, OW = (
        (side + 2 * p - k) // s + 1 for side, p, k, s in zip(input[2:], padding, weight[2:], stride)
    )
    return input[0] * int(np.prod(weight)) * max(OH, 0) * max(OW, 0)


def takes_winograd(output, weight, stride, groups, precision) -> bool:
    N, OC, OH, OW = output
    dtype = np.dtype("float64" if precision == "float64" else "float32")
    return bool(
        cpu_winograd.suits((N, OH, OW, OC), weight, stride, groups, dtype, precision == "bfloat16")
    )


def check_convolution(rng, fast, input, weight, parameters) -> Draw:
    """The check of a convolution, in a precision that is drawn."""
    stride, padding, groups = parameters
    precision, dtype, options = draw_precision(rng, fast)
    has_bias = rng.random() < 0.8
    shape = conv2d.output_shape(input, weight, stride, padding, groups)
    winograd = fast.name == "cpu" and takes_winograd(shape, weight, stride, groups, precision)
    text = (
        f"conv2d input {input} weight {weight} stride {stride} padding {padding} groups {groups} "
        f"{precision}{' Winograd' if winograd else ''}{'' if has_bias else ' without bias'}"
    )

    def check() -> None:
        outputs = Outputs()
        x, w = (rng.standard_normal(shape).astype(dtype) for shape in (input, weight))
        bias = rng.standard_normal(weight[0]).astype(dtype) if has_bias else None
        grad_output = rng.standard_normal(shape).astype(dtype)
        results = [
            outputs.images(shape, dtype),
            outputs.images(input, dtype),
            outputs.array(weight, dtype),
        ]
        run_convolution(fast, x, w, bias, grad_output, parameters, results, options)
        rectified = outputs.images(shape, dtype)
        fast.conv2d.forward_relu(x, w, bias, *parameters, output=rectified, **options)
        if not np.array_equal(rectified, np.maximum(results[0], 0)):
            raise WrongResult("forward_relu is not the ReLU of forward")
        bias = np.zeros(weight[0]) if bias is None else bias
        if options:
            x, w, grad_output = map(round_to_bfloat16, (x, w, grad_output))
        if products_of(input, weight, stride, padding) <= LARGEST_IN_LOOPS:
            expected = [np.empty(shape), np.empty(input), np.empty(weight)]
            arrays = (a.astype(np.float64) for a in (x, w, bias, grad_output))
            run_convolution(reference, *arrays, parameters, expected, {})
        else:
            expected = convolution_by_einsum(x, w, bias, grad_output, *parameters)
        N, _, OH, OW = shape
        rounded_terms = {
            "output": weight[1] * stride[0] * stride[1],
            # With a stride the input gradient has another path, whose products are exact.
            "grad_input": weight[0] // groups if stride == (1, 1) else 0,
            "grad_weight": -(-N * OH * OW // MOST_BFLOAT16_OUTPUTS**2),  # at least so many tiles
        }
        for (name, terms), result, right in zip(rounded_terms.items(), results, expected):
            compare(name, result, right, terms if options and winograd else 0)
        outputs.check_guards()

    return text, check


def run_convolution(kernels, input, weight, bias, grad_output, parameters, results, options):
    output, grad_input, grad_weight = results
    family = kernels.conv2d
    family.forward(input, weight, bias, *parameters, output=output, **options)
    family.backward_input(grad_output, weight, *parameters, grad_input=grad_input, **options)
    family.backward_weight(grad_output, input, *parameters, grad_weight=grad_weight, **options)


# -- the other layers ---------------------------------------------------------------------


def draw_pooling(rng: np.random.Generator, fast: Any) -> Draw:
    kind = str(rng.choice(["max_pool2d", "avg_pool2d"]))
    window = tuple(int(k) for k in rng.integers(1, 5, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in window)
    N, C = int(rng.integers(1, 4)), int(rng.integers(1, 40))
    H, W = (int(rng.integers(max(1, k - 2 * p), 10)) for k, p in zip(window, padding))
    dtype = np.dtype(rng.choice(["float32", "float64"]))
    text = f"{kind} input {(N, C, H, W)} window {window} stride {stride} padding {padding} {dtype}"
    contract = max_pool2d if kind == "max_pool2d" else avg_pool2d

    def check() -> None:
        outputs = Outputs()
        # Few different values: ties are met.
        input = rng.integers(-3, 4, (N, C, H, W)).astype(dtype)
        shape = contract.output_shape(input.shape, window, stride, padding)
        grad_output = rng.standard_normal(shape).astype(dtype)

        def run(kernels: Any) -> list[np.ndarray]:
            output = outputs.images(shape, dtype)
            grad_input = outputs.images(input.shape, dtype)
            if kind == "avg_pool2d":
                kernels.avg_pool2d.forward(input, window, stride, padding, output=output)
                kernels.avg_pool2d.backward(
                    grad_output, window, stride, padding, grad_input=grad_input
                )
                return [output, grad_input]
            argmax = outputs.images(shape, np.dtype("int32"))
            kernels.max_pool2d.forward(input, window, stride, padding, output=output, argmax=argmax)
            kernels.max_pool2d.backward(
                grad_output, argmax, window, stride, padding, grad_input=grad_input
            )
            return [output, grad_input, argmax.astype(dtype)]

        for name, *pair in zip(("output", "grad_input", "argmax"), run(fast), run(reference)):
            compare(name, *pair)
        outputs.check_guards()

    return text, check


def draw_norm(rng: np.random.Generator, fast: Any) -> Draw:
    shape = tuple(int(rng.integers(1, largest)) for largest in (4, 80, 5, 5))
    size, beta = int(rng.integers(1, 9)), float(rng.choice([0.5, 0.75, 1.3]))
    dtype = np.dtype(rng.choice(["float32", "float64"]))
    text = f"local_response_norm input {shape} size {size} beta {beta} {dtype}"

    def check() -> None:
        outputs = Outputs()
        input, grad_output = rng.standard_normal((2, *shape)).astype(dtype)
        parameters = size, 0.3, beta, 1.5

        def run(kernels: Any) -> list[np.ndarray]:
            output, grad_input = (outputs.images(shape, dtype) for _ in range(2))
            norm = kernels.local_response_norm
            norm.forward(input, *parameters, output=output)
            norm.backward(grad_output, input, *parameters, grad_input=grad_input)
            return [output, grad_input]

        for name, *pair in zip(("output", "grad_input"), run(fast), run(reference)):
            compare(name, *pair)
        outputs.check_guards()

    return text, check


def draw_norm_with_pooling(rng: np.random.Generator, fast: Any) -> Draw:
    kernel_size = tuple(int(k) for k in rng.integers(1, 5, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel_size)
    N, C = int(rng.integers(1, 4)), int(rng.integers(1, 80))
    H, W = (int(rng.integers(max(1, k - 2 * p), 20)) for k, p in zip(kernel_size, padding))
    size, beta = int(rng.integers(1, 9)), float(rng.choice([0.5, 0.75, 1.3]))
    dtype = np.dtype(rng.choice(["float32", "float64"]))
    text = (
        f"local_response_norm_max_pool2d input {(N, C, H, W)} size {size} beta {beta} window "
        f"{kernel_size} stride {stride} padding {padding} {dtype}"
    )

    def check() -> None:
        outputs = Outputs()
        # As after a ReLU: ties are met, and they are zeros in every backend.
        input = np.maximum(rng.standard_normal((N, C, H, W)), 0).astype(dtype)
        shape = max_pool2d.output_shape(input.shape, kernel_size, stride, padding)
        grad_output = rng.standard_normal(shape).astype(dtype)
        parameters = size, 0.3, beta, 1.5, kernel_size, stride, padding

        def run(kernels: Any) -> list[np.ndarray]:
            output, grad_input = (outputs.images(s, dtype) for s in (shape, input.shape))
            argmax = outputs.images(shape, np.dtype("int32"))
            family = kernels.local_response_norm_max_pool2d
            family.forward(input, *parameters, output=output, argmax=argmax)
            family.backward(grad_output, argmax, input, *parameters, grad_input=grad_input)
            return [output, grad_input, argmax.astype(dtype)]

        for name, *pair in zip(("output", "grad_input", "argmax"), run(fast), run(reference)):
            compare(name, *pair)
        outputs.check_guards()

    return text, check


def draw_linear(rng: np.random.Generator, fast: Any) -> Draw:
    M, K, N = (int(np.exp(rng.uniform(0, np.log(largest)))) for largest in (150, 700, 150))
    precision, dtype, options = draw_precision(rng, fast)
    text = f"linear input {(M, K)} weight {(N, K)} {precision}"

    def check() -> None:
        outputs = Outputs()
        input, weight = (rng.standard_normal(s).astype(dtype) for s in ((M, K), (N, K)))
        bias, grad_output = (rng.standard_normal(s).astype(dtype) for s in ((N,), (M, N)))
        results = [outputs.array(shape, dtype) for shape in ((M, N), (M, K), (N, K))]
        fast.linear.forward(input, weight, bias, output=results[0], **options)
        fast.linear.backward_input(grad_output, weight, grad_input=results[1], **options)
        fast.linear.backward_weight(grad_output, input, grad_weight=results[2], **options)
        factors = (input, weight, grad_output)
        x, w, dy = (np.float64(round_to_bfloat16(a) if options else a) for a in factors)
        expected = [x @ w.T + bias, dy @ w, dy.T @ x]
        for name, result, right in zip(("output", "grad_input", "grad_weight"), results, expected):
            compare(name, result, right)
        outputs.check_guards()

    return text, check


DRAWS = [draw_convolution] * 6 + [draw_pooling, draw_norm, draw_norm_with_pooling, draw_linear]
# Of the CPU alone: in the emulator they would take minutes.
DRAWS_ON_CPU = [*DRAWS, draw_many_channels]


def draw(rng: np.random.Generator, fast: Any) -> Draw:
    """A random layer in words, and the function that checks these kernels on it."""
    draws = DRAWS_ON_CPU if fast.name == "cpu" else DRAWS
    return draws[rng.integers(len(draws))](rng, fast)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.random_shapes", description=__doc__
    )
    parser.add_argument("count", type=int, nargs="?", default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args(argv)
    faulthandler.enable()
    if arguments.backend == "cuda":
        cuda_emulator.install()
    fast = Kernels(arguments.backend)
    rng = np.random.default_rng(arguments.seed)
    for i in range(arguments.count):
        text, check = draw(rng, fast)
        print(f"{i + 1}/{arguments.count} {text}", flush=True)
        try:
            check()
        except WrongResult as error:
            print(f"wrong: {error}")
            return 1
    print(f"{arguments.count} random shapes: all right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
