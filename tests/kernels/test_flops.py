"""The FLOPs that the contract of each family counts, of the calls of test_arguments.py."""

import importlib

import numpy as np
import pytest

from minigrad.kernels import conv2d, linear
from tests.kernels.test_arguments import CALLS

FLOPS = {
    "adam.update": 14 * 24,
    "avg_pool2d.forward": 48 * 4,
    "avg_pool2d.backward": 48 * 4,
    "bias.forward": 24,
    "bias.backward": 24,
    "bias.backward_relu": 2 * 24,
    # 2 images, 5 x 4 positions, 3 filters of 4 channels and 2 x 2 taps
    "conv2d.forward": 2 * 2 * 20 * 3 * 16,
    "conv2d.forward_relu": 2 * 2 * 20 * 3 * 16,
    "conv2d.backward_input": 2 * 2 * 20 * 3 * 16,
    "conv2d.backward_weight": 2 * 2 * 20 * 3 * 16,
    "cross_entropy.forward": 4 * 24,
    "cross_entropy.backward": 3 * 24,
    "dropout.forward": 24,
    "dropout.backward": 24,
    "im2col.forward": 0,
    "im2col.backward": 2 * 6 * 16,
    "lerp.update": 3 * 24,
    "linear.forward": 2 * 3 * 4 * 5,
    "linear.backward_input": 2 * 3 * 4 * 5,
    "linear.backward_weight": 2 * 3 * 4 * 5,
    # 240 elements, windows of 3 channels
    "local_response_norm.forward": (2 * 3 + 6) * 240,
    "local_response_norm.backward": (3 * 3 + 12) * 240,
    "local_response_norm_max_pool2d.forward": (2 * 3 + 6) * 240 + 48 * 4,
    "local_response_norm_max_pool2d.backward": (3 * 3 + 12) * 240 + 48,
    "max_pool2d.forward": 48 * 4,
    "max_pool2d.backward": 48,
    "prepare_images.forward": 3 * 120,
    "prepare_images.forward_enlarged": 3 * 120,
    "relu.forward": 24,
    "relu.backward": 24,
    "sgd.update": 6 * 24,
    "vector_norm.forward": 2 * 24,
}


def flops(kernel, **changes):
    family, function = kernel.split(".")
    shapes, others = CALLS[kernel]
    arguments = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
    contract = importlib.import_module(f"minigrad.kernels.{family}")
    return contract.flops(function, {**arguments, **others, **changes})


@pytest.mark.parametrize("kernel", CALLS)
def test_contract_counts(kernel):
    assert flops(kernel) == FLOPS[kernel]


def test_nesterovs_momentum_takes_two_more():
    assert flops("sgd.update", nesterov=True) == 8 * 24


def test_a_window_of_more_channels_than_there_are():
    assert flops("local_response_norm.forward", size=99) == (2 * 7 + 6) * 240


def test_multiply_adds():
    """Each filter sees the channels of its group."""
    assert conv2d.multiply_adds((2, 5, 4, 6), (6, 2, 3, 3)) == 2 * 5 * 4 * 6 * 2 * 9
    arrays = {"output": np.empty((2, 5, 4, 6)), "weight": np.empty((6, 2, 3, 3)), "groups": 2}
    assert conv2d.flops("forward", arrays) == 2 * 2 * 5 * 4 * 6 * 2 * 9
    assert linear.multiply_adds(3, (5, 4)) == 60
