"""The precisions that are timed, and how far two programs may differ in each."""

import argparse
import math

from alexnet.precision import INFERENCE_PRECISIONS
from minigrad.kernels.shared.bfloat16 import UNIT_ROUNDOFF

FLOAT32, BF16 = INFERENCE_PRECISIONS

# What the transforms of Winograd's algorithm may do to the error of rounded factors: the points in
# use multiply it by up to 2.7 (docs/precision.md).
AMPLIFICATION = 3


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=INFERENCE_PRECISIONS,
        default=[FLOAT32],
        help="of products; several are timed in turn; default: float32",
    )


def tolerance(layers: int) -> float:
    """What two programs may differ by after so many layers in bfloat16, of the largest value.

    A layer rounds two factors here. PyTorch rounds its result as well. Errors of rounding have
    random signs, so their squares add up: within a sum, from one layer to the next, and those of
    both programs. One rounding counts with the unit roundoff, 2.4 times its root mean square.
    """
    in_a_layer = 2 * AMPLIFICATION**2 + 3
    return UNIT_ROUNDOFF * math.sqrt(in_a_layer * layers)
