"""Values and gradients of input[index] for whatever NumPy takes as an index."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.shape import GetItem

ARRAY = np.arange(24.0).reshape(3, 4, 2)
INDICES = [
    np.s_[-1],
    np.s_[np.int64(1)],
    np.s_[True],
    np.s_[::-1],
    np.s_[::-2, 1],
    np.s_[1:1],
    np.s_[..., 0],
    np.s_[:, None, ::2],
    np.s_[[]],
    np.s_[[0, 0, 1]],
    np.s_[[[0, 0], [1, 1]]],
    np.s_[range(2), 1],
    np.s_[np.uint8([0, 0])],
    np.s_[((0, 0, 1),)],
    np.s_[(0, 0), (1, 1)],
    np.s_[1, (0, 0, 3)],
    np.s_[:, [1, 1], 0],
    np.s_[0, ..., [1, 1, 0]],
    np.s_[[True, False, True]],
    np.s_[(True, False, True), 0],
    np.s_[ARRAY > 10],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_means_what_it_means_in_numpy(index):
    x = mg.tensor(ARRAY, dtype=np.float64, requires_grad=True)
    output = x[index]
    assert np.array_equal(output.numpy(), ARRAY[index])
    grad_output = np.random.default_rng(0).standard_normal(output.shape)
    output.backward(grad_output)
    expected = np.zeros_like(ARRAY)
    np.add.at(expected, index, grad_output)
    assert np.array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize("index", [[0, 0], np.array([0, 0]), mg.tensor([0, 0])])
def test_an_index_that_is_changed_later_does_not_move_the_gradient(index):
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    output = x[index]
    values = index.data if isinstance(index, mg.Tensor) else index
    values[0] = values[1] = 2
    output.sum().backward()
    assert x.grad.numpy().tolist() == [2, 0, 0]


def test_the_gradient_of_a_slice_keeps_the_order_in_memory():
    """Of images with their channels last, so that what follows needs no copy in another order."""
    images = mg.Tensor(np.zeros((2, 5, 4, 6)).transpose(0, 3, 1, 2), requires_grad=True) * 1
    ctx = images[:, 2:4]._node.ctx
    grad_output = np.ones((2, 5, 4, 2)).transpose(0, 3, 1, 2)
    grad_input = GetItem.backward(ctx, grad_output)
    assert grad_input.transpose(0, 2, 3, 1).flags.c_contiguous
