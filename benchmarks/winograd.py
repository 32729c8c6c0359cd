"""``python -m benchmarks.winograd``: what sets of points save in products, and cost in error.

Winograd's algorithm is run in NumPy for random images, as the kernels run it: transforms and sums
are float32, transformed values are float32 or rounded to bfloat16. The error is that against a
direct sum in float64, root mean square over root mean square.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet import cli
from alexnet.precision import INFERENCE_PRECISIONS
from alexnet.style import REFERENCE, TRAINING, VALIDATION, new_figure
from benchmarks.precision import BF16, FLOAT32
from benchmarks.report import add_json_option, save, writable
from minigrad.kernels.conv2d.winograd_algorithms import INFINITY, Algorithm, algorithms
from minigrad.kernels.shared.bfloat16 import round_to_bfloat16

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAPS = 2, 3, 4, 5
DRAWN = 3, 5
# The same errors at any size: they are relative, and signs are random.
IMAGES, CHANNELS, SIDE, FILTERS = 2, 64, 24, 32
# The points of many textbooks, for comparison: numbers, the smallest first.
NUMBERS = 0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2)
SIZES = 4, 6, 8
# Products in a second, over those of float32: an instruction multiplies twice as many.
RATE = {FLOAT32: 1, BF16: 2}

Round = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Result:
    """A set of points, or the direct sum.

    Attributes:
        used: the kernels have it in their table.
        products: for each output.
        error: relative, root mean square.
        worst: as error, at the output of a tile where it is largest.
    """

    taps: int
    precision: str
    name: str
    points: str
    used: bool
    products: float
    error: float
    worst: float

    @property
    def speed(self) -> float:
        """At most, over that of a direct sum in float32: transforms and memory take time, too."""
        return RATE[self.precision] * self.taps**2 / self.products


def measure(taps: int, precision: str) -> list[Result]:
    """The direct sum, the sets in use, and the textbooks'."""
    rng = np.random.default_rng(0)
    images = np.maximum(rng.standard_normal((IMAGES, SIDE, SIDE, CHANNELS), np.float32), 0)
    weight = rng.standard_normal((FILTERS, taps, taps, CHANNELS), np.float32)
    weight *= np.float32((2 / weight[0].size) ** 0.5)
    exact = direct(images.astype(np.float64), weight.astype(np.float64))
    rounded = round_to_bfloat16 if precision == BF16 else np.asarray

    def errors(output: np.ndarray, outputs: int) -> tuple[float, float]:
        """That of all outputs, and of those at one place in their tiles of outputs x outputs."""
        squares = np.square(output - exact).mean((0, 3)) / np.square(exact).mean()
        places = [squares[i::outputs, j::outputs] for i, j in np.ndindex(outputs, outputs)]
        worst = max(float(place.mean()) for place in places)
        return float(squares.mean()) ** 0.5, worst**0.5

    of_direct = errors(direct(rounded(images), rounded(weight)), 1)
    results = [Result(taps, precision, "direct", "", True, taps**2, *of_direct)]
    used = algorithms(taps, bfloat16=precision == BF16)
    common = [Algorithm(s + 1 - taps, taps, (*NUMBERS[: s - 1], INFINITY)) for s in SIZES]
    others = [a for a in common if a.outputs > 1 and a not in used]
    for algorithm in (*used, *others):
        output = winograd(images, weight, algorithm, rounded)
        results.append(
            Result(
                taps,
                precision,
                f"F({algorithm.outputs}, {taps})",
                ", ".join(map(point_name, algorithm.points)),
                algorithm in used,
                (algorithm.products / algorithm.outputs) ** 2,
                *errors(output, algorithm.outputs),
            )
        )
    return results


def point_name(point) -> str:
    """A number, infinity, or a polynomial x^2 + b x + c, of which the table has (b, c)."""
    if not isinstance(point, tuple):
        return str(point)
    b, c = point
    linear = {0: "", 1: "+x", -1: "-x"}.get(b, f"{b:+}x")
    return f"x^2{linear}{c:+}"


def direct(images: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N, H, W, C) and (K, R, R, C) to (N, H + 1 - R, W + 1 - R, K), without padding."""
    taps = weight.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(images, (taps, taps), (1, 2))
    return np.einsum("nhwcij,kijc->nhwk", windows, weight, optimize=True)


def winograd(
    images: np.ndarray, weight: np.ndarray, algorithm: Algorithm, rounded: Round
) -> np.ndarray:
    """What `direct` computes; transformed pixels and filters are rounded."""
    input_transform, filter_transform, output_transform = (
        matrix.astype(np.float32) for matrix in algorithm.matrices
    )
    count, side, _, _ = images.shape
    size, outputs = algorithm.size, side + 1 - algorithm.taps
    grid = -(-outputs // algorithm.outputs)
    missing = grid * algorithm.outputs + algorithm.taps - 1 - side
    padded = np.pad(images, ((0, 0), (0, missing), (0, missing), (0, 0)))
    step = slice(None, None, algorithm.outputs)
    tiles = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, step, step]
    values = rounded(_in_both_directions(input_transform, np.moveaxis(tiles, 3, -1)))
    filters = rounded(_in_both_directions(filter_transform, weight))
    products = np.einsum("nhwpqc,kpqc->nhwpqk", values, filters, optimize=True)
    result = _in_both_directions(output_transform, products)  # (n, h, w, M, M, k)
    image = result.swapaxes(2, 3).reshape(count, grid * algorithm.outputs, -1, len(weight))
    return image[:, :outputs, :outputs]


def _in_both_directions(matrix: np.ndarray, array: np.ndarray) -> np.ndarray:
    """A line and a column of each square (..., S, S, C) by the matrix (P, S)."""
    return np.einsum("pi,...ijc,qj->...pqc", matrix, array, matrix, optimize=True)


HEADER = (
    f"{'taps':<6}{'precision':<11}{'':<9}{'points':<40}{'products':>9}{'speed':>7}"
    f"{'error':>10}{'/ direct':>10}{'worst':>7}"
)


def lines(results: list[Result]) -> list[str]:
    """A table of the results of one precision, the direct sum first: both errors over its own."""
    return [
        f"{r.taps}x{r.taps:<4}{r.precision:<11}{r.name:<9}{r.points:<40}{r.products:>9.2f}"
        f"{r.speed:>7.2f}{r.error:>10.1e}{r.error / results[0].error:>10.1f}"
        f"{r.worst / results[0].error:>7.1f}" + ("" if r.used else "  not used")
        for r in results
    ]


def draw(results: list[Result], path: Path) -> None:
    """The speed that the products allow, over the error: a dot for each set of points."""
    figure = new_figure(4.5, width=11, layout="constrained")
    for axes, taps in zip(figure.subplots(1, len(DRAWN), sharey=True), DRAWN):
        _draw_taps(axes, [result for result in results if result.taps == taps])
        axes.set(title=f"{taps} x {taps} taps", xlabel="relative error", xscale="log")
    figure.axes[0].set_ylabel("speed at most (direct float32 sum = 1)")
    figure.axes[0].legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)


def _draw_taps(axes: Axes, results: list[Result]) -> None:
    for precision, color in ((FLOAT32, TRAINING), (BF16, VALIDATION)):
        for used, marker in ((True, "o"), (False, "x")):
            chosen = [r for r in results if (r.precision, r.used) == (precision, used)]
            label = precision if used else f"{precision}, not used"
            errors, speeds = [r.error for r in chosen], [r.speed for r in chosen]
            axes.plot(errors, speeds, marker, color=color, label=label)
    named: Counter[str] = Counter()
    for result in sorted(results, key=lambda r: -r.speed):
        # Those in use can be close: their names are on the left and the right in turn.
        left = result.used and named[result.precision] % 2 == 0
        named[result.precision] += result.used
        axes.annotate(
            result.name,
            (result.error, result.speed),
            (-6 if left else 6, -3),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=7,
            color=REFERENCE,
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(ylim=(0, None))
    axes.margins(x=0.15)
    axes.grid(color="0.92")


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.winograd",
        description="What each set of points saves in products, and costs in rounding error.",
    )
    add_json_option(parser)
    parser.add_argument(
        "--plot", type=writable, metavar="FILE", help="draw speed over error as a PNG"
    )
    arguments = parser.parse_args(argv)
    print(HEADER)
    results = []
    for taps in TAPS:
        for precision in INFERENCE_PRECISIONS:
            measured = measure(taps, precision)
            print("\n".join(lines(measured)), flush=True)
            results += measured
    save({"kind": "winograd", "results": [asdict(r) for r in results]}, arguments.json)
    if arguments.plot:
        draw(results, arguments.plot)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 7 where a file cannot be written."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
