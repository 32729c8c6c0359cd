"""Tensor: making one, leaving it, and its operators."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F


def test_python_numbers_become_float32_and_arrays_keep_their_type():
    assert mg.Tensor([1.0, 2.0]).dtype == np.float32
    assert mg.tensor([1.0, 2.0]).dtype == np.float32
    assert mg.tensor([1.0], dtype=np.float64).dtype == np.float64
    assert mg.tensor(np.ones(2)).dtype == np.float64
    assert mg.tensor([1, 2]).dtype == np.int64
    assert mg.Tensor(np.float64(3)).dtype == np.float64


def test_tensor_shares_the_array_and_tensor_function_copies():
    array = np.ones(3, np.float32)
    assert mg.Tensor(array).data is array
    assert not np.shares_memory(mg.tensor(array).data, array)


def test_properties():
    x = mg.Tensor(np.zeros((2, 3, 4), np.float32))
    assert (x.shape, x.ndim, x.numel(), len(x), x.device) == ((2, 3, 4), 3, 24, 2, "cpu")
    assert x.T.shape == (4, 3, 2)
    assert x.is_leaf and not x.requires_grad and x.grad is None
    assert x.to("cpu") is x and x.to(np.float32) is x and x.to(np.float64).dtype == np.float64


def test_printed_form():
    x = mg.tensor([1.0, 2.5], requires_grad=True)
    assert repr(x) == "tensor([1. , 2.5], requires_grad=True)"
    assert repr(x * 2.0) == "tensor([2., 5.], grad_fn=Multiply)"
    assert repr(mg.tensor([1.0], dtype=np.float64)) == "tensor([1.], dtype=float64)"


def test_item():
    assert mg.tensor([[2.5]]).item() == 2.5
    assert mg.tensor(7).item() == 7


@pytest.mark.parametrize("other", [3.0, 3, np.float64(3), np.full(2, 3.0), [3, 3], (3.0, 3.0)])
def test_operators_take_numbers_and_arrays_on_either_side(other):
    x = mg.tensor([1.0, 2.0])
    for result, expected in (
        (x + other, [4, 5]),
        (x - other, [-2, -1]),
        (x * other, [3, 6]),
        (x / other, [1 / 3, 2 / 3]),
        (other + x, [4, 5]),
        (other - x, [2, 1]),
        (other * x, [3, 6]),
        (other / x, [3, 1.5]),
    ):
        assert isinstance(result, mg.Tensor) and result.dtype == np.float32
        np.testing.assert_allclose(result.data, expected, rtol=1e-6)


METHODS = {
    "negative": (lambda x: -x, lambda a: -a),
    "power": (lambda x: x**2, lambda a: a**2),
    "matrix product": (lambda x: x @ x.T, lambda a: a @ a.T),
    "getitem": (lambda x: x[1:, 0], lambda a: a[1:, 0]),
    "index tensor": (lambda x: x[mg.tensor([1, 0])], lambda a: a[[1, 0]]),
    "exp": (lambda x: x.exp(), np.exp),
    "log": (lambda x: x.log(), np.log),
    "sqrt": (lambda x: x.sqrt(), np.sqrt),
    "tanh": (lambda x: x.tanh(), np.tanh),
    "sigmoid": (lambda x: x.sigmoid(), lambda a: 1 / (1 + np.exp(-a))),
    "relu": (lambda x: (x - 1.0).relu(), lambda a: np.maximum(a - 1, 0)),
    "sum": (lambda x: x.sum(0, keepdim=True), lambda a: a.sum(0, keepdims=True)),
    "mean": (lambda x: x.mean((0, 1)), lambda a: a.mean()),
    "max": (lambda x: x.max(dim=1), lambda a: a.max(1)),
    "reshape": (lambda x: x.reshape(3, -1), lambda a: a.reshape(3, -1)),
    "permute": (lambda x: x.permute(1, 0), lambda a: a.T),
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.T),
    "flatten": (lambda x: x.flatten(), lambda a: a.ravel()),
}


@pytest.mark.parametrize("name", METHODS)
def test_method_equals_numpy(name, rng):
    method, expected = METHODS[name]
    array = rng.uniform(0.5, 2, (2, 3))
    x = mg.Tensor(array, requires_grad=True)
    result = method(x)
    np.testing.assert_allclose(result.data, expected(array), rtol=1e-14)
    result.sum().backward()
    assert x.grad.shape == (2, 3)


def test_sigmoid_and_softmax_do_not_overflow():
    x = mg.tensor([-1e4, 0.0, 1e4])
    assert x.sigmoid().data.tolist() == [0, 0.5, 1]
    assert mg.functional.softmax(x).data.tolist() == [0, 0, 1]
    assert mg.functional.log_softmax(x).data.tolist() == [-2e4, -1e4, 0]
    assert mg.functional.cross_entropy(x.reshape(1, 3), [0]).item() == 2e4


def test_nan_is_not_hidden():
    x = mg.tensor([[[[1.0, np.nan], [2.0, 3.0]]]])
    assert np.isnan(x.relu().data[0, 0, 0, 1])
    assert np.isnan(mg.functional.max_pool2d(x, 2).item())
    assert np.isnan(mg.functional.avg_pool2d(x, 2).item())
    assert np.isnan(mg.functional.local_response_norm(x, 3).data[0, 0, 0, 1])


def test_ties_of_max_share_the_gradient_and_of_pooling_go_to_the_first():
    x = mg.Tensor(np.array([[[[1.0, 3.0], [3.0, 3.0]]]]), requires_grad=True)
    x.max().backward()
    np.testing.assert_allclose(x.grad.data.ravel(), [0, 1 / 3, 1 / 3, 1 / 3])
    x.grad = None
    mg.functional.max_pool2d(x, 2).sum().backward()
    assert x.grad.data.ravel().tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 5)])
def test_relu_in_place(shape, rng):
    for inplace in (False, True):
        x = mg.Tensor(rng.standard_normal(shape), requires_grad=True)
        images = F.to(x, np.float32) if len(shape) == 1 else F.avg_pool2d(x, 1)
        expected = np.maximum(images.numpy(), 0)
        output = F.relu(images, inplace=inplace)
        assert np.shares_memory(output.data, images.data) == inplace
        np.testing.assert_array_equal(output.numpy(), expected)
        output.sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), x.numpy() > 0)
    with mg.no_grad():
        x = mg.Tensor(np.array([-1.0, 1.0]), requires_grad=True)
        F.relu(x, inplace=True)
    assert x.numpy().tolist() == [0, 1]


def test_derivative_of_relu_at_zero_is_zero():
    x = mg.Tensor(np.array([0.0, -0.0, 1e-300]), requires_grad=True)
    x.relu().sum().backward()
    assert x.grad.data.tolist() == [0, 0, 1]


def test_cast_keeps_the_graph():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    x.to(np.float64).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.data.tolist() == [1, 1]


def test_dropout_outside_training_returns_its_input():
    x = mg.tensor([1.0, 2.0])
    assert mg.functional.dropout(x, 0.5, training=False) is x
    assert mg.functional.dropout(x, 0.0) is x


def test_dropout_draws_a_new_mask_each_time_and_the_same_from_the_same_seed():
    x = mg.Tensor(np.ones((40, 25), np.float32))

    def draw():
        return mg.functional.dropout(x, 0.5).data

    first, second = draw(), draw()
    assert not np.array_equal(first, second)
    mg.manual_seed(0)
    assert np.array_equal(first, draw()) and np.array_equal(second, draw())
    mg.manual_seed(1)
    assert not np.array_equal(first, draw())
