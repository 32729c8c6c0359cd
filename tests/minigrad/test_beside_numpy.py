"""Tensors beside NumPy, Python's numbers and other libraries, as a user of PyTorch expects."""

import copy
import math
import operator
import pickle
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, nn
from minigrad import functional as F


def needs_grad(*values):
    return mg.tensor(list(values), requires_grad=True)


# -- arrays -------------------------------------------------------------------------------


def test_asarray_shares_memory_and_array_copies():
    x = mg.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.data) and np.asarray(x).dtype == np.float32
    assert not np.shares_memory(np.array(x), x.data)
    assert not np.shares_memory(np.asarray(x, copy=True), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, np.float64, copy=False)
    assert np.array([x, x]).tolist() == [[1, 2], [1, 2]]
    assert np.stack([x, x]).dtype == np.float32


def test_a_gradient_is_not_lost_silently():
    x = needs_grad(1.0)
    for convert in (np.asarray, np.array, lambda x: np.array([x, x]), mg.tensor):
        for tensor in (x, x * 2.0):
            with pytest.raises(RuntimeError, match="requires a gradient .* use its detach"):
                convert(tensor)
    with pytest.raises(RuntimeError, match="requires a gradient .* use its detach"):
        mg.tensor([x, x])
    with pytest.raises(BufferError, match="requires a gradient .* use its detach"):
        np.from_dlpack(x)
    assert np.asarray(x.detach()).tolist() == [1]


def test_a_tensor_on_the_gpu_is_not_an_array(cuda):
    x = mg.tensor([1.0]).to("cuda")
    for convert in (np.asarray, lambda x: mg.tensor([x])):
        with pytest.raises(TypeError, match=r"on cuda becomes a NumPy array by its numpy\(\) only"):
            convert(x)
    assert mg.tensor(x).device == "cuda" and mg.tensor(x).data is not x.data


def test_dlpack_shares_memory(torch):
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]]).T
    for library in (np, torch):
        other = library.from_dlpack(x)
        other[0, 1] = 7
        assert x.numpy()[0, 1] == 7
        x.data[0, 1] = 3
    assert mg.Tensor(np.from_dlpack(torch.ones(2))).numpy().tolist() == [1, 1]


# -- making tensors -----------------------------------------------------------------------


def test_tensor_of_tensors():
    x = mg.tensor([1.0, 2.0])
    assert not np.shares_memory(mg.tensor(x).data, x.data)
    assert mg.tensor(x, dtype=np.float64).dtype == np.float64
    for make in (mg.tensor, mg.Tensor):
        assert make([x, x]).numpy().tolist() == [[1, 2], [1, 2]]
        assert make([mg.tensor(1.0), mg.tensor(2.0)]).dtype == np.float32
        assert make([mg.tensor(1.0), 2.0]).dtype == make([2.0, mg.tensor(1.0)]).dtype == np.float32
        assert make([2.0, mg.tensor(np.float64(1))]).dtype == np.float64
        assert make([np.ones(2), np.ones(2)]).dtype == np.float64
        assert make([mg.tensor(np.ones(2))]).dtype == np.float64
        assert make([np.float64(1)]).dtype == make([]).dtype == np.float32
        assert make([mg.tensor(1), 2]).dtype == np.int64
        with pytest.raises(TypeError, match="a tensor holds numbers, got list of <U1"):
            make(["a"])
        with pytest.raises(TypeError, match="a tensor holds numbers, got NoneType of object"):
            make(None)
        with pytest.raises(ValueError, match="inhomogeneous"):
            make([[1, 2], [3]])


def test_a_mask_is_not_dropped():
    """Everywhere where an array is taken: operations would see what is below the mask."""
    x, masked = mg.tensor([1.0, 2.0]), np.ma.masked_array([0, 1], [False, True])
    layer = nn.Linear(2, 1, bias=False)
    for use in (
        lambda: mg.tensor(masked),
        lambda: mg.Tensor(masked),
        lambda: x + masked,
        lambda: x**masked,
        lambda: x > masked,
        lambda: np.greater(masked, x),
        lambda: x[masked],
        lambda: F.cross_entropy(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), masked),
        lambda: layer.load_state_dict({"weight": masked.reshape(1, 2)}),
    ):
        with pytest.raises(TypeError, match="cannot have a mask: use the array's .filled"):
            use()


def test_numbers_beyond_float32_are_infinite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in (mg.tensor, mg.Tensor, lambda x: mg.tensor(np.array(x), np.float32)):
            assert make([1e300, -1e300]).numpy().tolist() == [np.inf, -np.inf]


def test_tensor_of_an_array_of_another_library(torch):
    assert mg.tensor(torch.ones(2, dtype=torch.float64)).dtype == np.float64


# -- numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [mg.tensor(2.5), mg.tensor([[2.5]]), needs_grad(2.5)])
def test_one_element_is_a_number(value):
    assert float(value) == 2.5 and int(value) == 2 and bool(value) and not bool(value * 0.0)
    assert math.sqrt(value) == math.sqrt(2.5)
    assert f"{value:.3f}" == "2.500" and f"{value:8.1f}" == "     2.5"


def test_formats():
    assert f"{mg.tensor(2.5)}" == "2.5" and f"{mg.tensor(7):04d}" == "0007"
    assert f"{mg.tensor([2.5])}" == str(mg.tensor([2.5])) == "tensor([2.5])"
    with pytest.raises(ValueError, match=r"one element, this one is \(2,\)"):
        f"{mg.tensor([1.0, 2.0]):.3f}"


@pytest.mark.parametrize("convert", [float, int, bool, operator.index])
@pytest.mark.parametrize("shape", [(0,), (2,), (1, 2)])
def test_other_numbers_of_elements_are_no_number(convert, shape):
    with pytest.raises(ValueError, match="one element"):
        convert(mg.Tensor(np.zeros(shape, np.int64)))


def test_integers_are_indices():
    assert [5, 6, 7][mg.tensor(1)] == 6 and list(range(mg.tensor([2]))) == [0, 1]
    with pytest.raises(TypeError, match="only integer tensors can be an index, this one is float"):
        [5, 6][mg.tensor(1.0)]


# -- sequences ----------------------------------------------------------------------------


def test_iteration_gives_tensors_of_the_graph():
    x = needs_grad(1.0, 2.0, 3.0)
    first, *rest = x
    assert first.shape == () and [item.item() for item in rest] == [2, 3]
    (first * 2.0 + sum(rest)).backward()
    assert x.grad.numpy().tolist() == [2, 1, 1]
    assert [row.numpy().tolist() for row in mg.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert list(mg.tensor([])) == []
    with pytest.raises(TypeError, match="iteration over a tensor without dimensions"):
        iter(mg.tensor(1.0))


def test_membership():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3.0 in x and 5.0 not in x and None not in x and 1.0 not in mg.tensor([])


# -- comparisons --------------------------------------------------------------------------

COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparison(compare, device, cuda):
    array = np.array([[1.0, 2.0], [3.0, np.nan]], np.float32)
    x = mg.Tensor(backend.get(device).asarray(array), requires_grad=True)
    row = np.array([1.0, 3.0])
    for other in (x.detach(), 2, 2.0, np.float64(2), row, mg.tensor([[2], [3]]).to(device)):
        value = other.numpy() if isinstance(other, mg.Tensor) else other
        for result, expected in (
            (compare(x, other), compare(array, value)),
            (compare(other, x), compare(value, array)),
        ):
            assert result.dtype == bool and result.device == device and not result.requires_grad
            np.testing.assert_array_equal(result.numpy(), expected)
    assert x[x > 1.5].numpy().tolist() == [2, 3]


def test_comparison_with_a_number_takes_the_type_of_the_tensor():
    assert bool(mg.tensor(0.1) == 0.1) and bool(mg.tensor(0.1) == np.float64(0.1))


def test_comparison_with_what_is_no_number():
    x = mg.tensor([1.0])
    for other in (None, "a", [1.0], object()):
        assert (x == other) is False and (x != other) is True
        with pytest.raises(TypeError, match="not supported between"):
            x < other  # noqa: B015
    with pytest.raises(ValueError, match=r"less: other has shape \(3,\), which does not"):
        mg.tensor([1.0, 2.0]) < np.ones(3)  # noqa: B015


def test_comparison_across_devices(cuda):
    with pytest.raises(TypeError, match="less: other is on cpu, expected cuda as the input"):
        mg.tensor([1.0]).to("cuda") < mg.tensor([1.0])  # noqa: B015


def test_tensors_are_keys():
    x, y = mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.0])
    assert {x: "x", y: "y"}[x] == "x" and len({x, y, x}) == 2


# -- operators in place -------------------------------------------------------------------

IN_PLACE = {
    "add": operator.iadd,
    "subtract": operator.isub,
    "multiply": operator.imul,
    "divide": operator.itruediv,
    "pow": operator.ipow,
}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_within_no_grad(name, device, cuda):
    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    for other in (3.0, np.full(2, 3.0), mg.tensor([3.0, 3.0]).to(device)):
        # The columns of a larger array: an update reaches the memory whatever its layout.
        memory = backend.get(device).asarray(np.repeat(array, 2, axis=1))
        parameter = nn.Parameter(memory[:, ::2])
        with mg.no_grad():
            result = IN_PLACE[name](parameter, other)
        assert result is parameter and isinstance(result, nn.Parameter) and result.is_leaf
        expected = getattr(np, {"pow": "power"}.get(name, name))(array, 3)
        np.testing.assert_array_equal(parameter.numpy(), expected)
        np.testing.assert_array_equal(mg.Tensor(memory).numpy()[:, ::2], expected)


def test_update_of_a_layer_by_hand():
    layer = nn.Linear(2, 1)
    weight, before = layer.weight, layer.weight.numpy().copy()
    layer(mg.tensor([[1.0, 2.0]])).sum().backward()
    with mg.no_grad():
        for parameter in layer.parameters():
            parameter -= 0.5 * parameter.grad
        layer.weight *= 2.0
    assert layer.weight is weight and next(layer.parameters()) is weight
    np.testing.assert_allclose(weight.numpy(), 2 * (before - [[0.5, 1]]), rtol=1e-6)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_on_a_leaf_that_is_recorded(name):
    x = needs_grad(1.0)
    with pytest.raises(RuntimeError, match=f"{name}: a leaf that requires a gradient cannot"):
        IN_PLACE[name](x, 2.0)
    assert x.numpy().tolist() == [1]


def test_in_place_on_a_tensor_of_the_graph():
    x = needs_grad(1.0, 2.0)
    y = before = x * 3.0
    y += 1.0
    total = mg.tensor(0.0)
    total += (y * y).sum()
    total.backward()
    assert x.grad.numpy().tolist() == [24, 42] and before.numpy().tolist() == [3, 6]


def test_in_place_without_gradients():
    x = alias = mg.tensor([1.0, 2.0])
    x += mg.tensor([1.0, 1.0])
    x *= x
    assert alias is x and x.numpy().tolist() == [4, 9]
    with pytest.raises(ValueError, match=r"add: a result of shape \(3, 2\) does not fit \(2,\)"):
        x += np.ones((3, 2))
    one = np.ones(1, np.float32)
    for array in (
        np.broadcast_to(one, (2,)),  # read-only
        np.lib.stride_tricks.as_strided(one, (2,), (0,)),
    ):
        single = mg.Tensor(array)
        with pytest.raises(ValueError, match="add: a tensor that is read-only, or .* in place"):
            single += mg.tensor([1.0, 2.0])
    assert one == 1


# -- NumPy's functions --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "negative"])
def test_function_of_numpy_is_that_of_the_engine(name):
    x, y = needs_grad(1.0, 2.0), needs_grad(1.0, 2.0)
    result = getattr(np, name)(x)
    result.sum().backward()
    getattr(F, name)(y).sum().backward()
    assert result.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("other", [np.ones(2), np.float32(1), np.float64(1), np.int64(1)])
def test_array_or_scalar_on_the_left(other, device, cuda):
    x = mg.Tensor(backend.get(device).asarray(np.array([1.0, 2.0], np.float32)), requires_grad=True)
    for result, expected in (
        (other + x, [2, 3]),
        (np.add(other, x), [2, 3]),
        (np.subtract(x, other), [0, 1]),
        (np.true_divide(other, x), [1, 0.5]),
        ((other + other) ** x, [2, 4]),
        (np.power(x, other + other), [1, 4]),
    ):
        assert isinstance(result, mg.Tensor) and result.dtype == np.float32
        assert result.requires_grad and result.numpy().tolist() == expected


def test_array_in_place():
    array = memory = np.ones(2)
    array += mg.tensor([1.0, 2.0])
    assert array is memory and array.tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="requires a gradient"):
        array += needs_grad(1.0, 2.0)


def test_functions_that_the_engine_does_not_have():
    x = mg.tensor([1.0, 2.0])
    for call, name in (
        (lambda: np.sin(x), "sin"),
        (lambda: np.add.reduce(x), "add.reduce"),
        (lambda: np.exp(x, where=np.array([True, False])), "exp"),
        (lambda: np.add(x, 1, out=x), "add"),
    ):
        with pytest.raises(TypeError, match=rf"numpy\.{name} does not take a Tensor like this"):
            call()


# -- copies -------------------------------------------------------------------------------


def pickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_copies_of_tensors_and_modules(duplicate):
    x = needs_grad(1.0, 2.0)
    (x * x).sum().backward()
    twin = duplicate(x)
    assert twin.requires_grad and twin.grad.numpy().tolist() == [2, 4]
    twin.data[...] = 5
    twin.grad.data[...] = 5
    assert x.numpy().tolist() == [1, 2] and x.grad.numpy().tolist() == [2, 4]
    layer = nn.Linear(2, 1)
    model = nn.Sequential(layer, nn.Tanh())
    other = duplicate(model)
    assert isinstance(next(other.parameters()), nn.Parameter)
    next(other.parameters()).data[...] = 7
    assert not (layer.weight.numpy() == 7).any()


def test_copy_shares_the_memory():
    x = needs_grad(1.0)
    assert copy.copy(x).data is x.data and copy.copy(x).requires_grad


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_graph_is_not_copied(duplicate):
    with pytest.raises(RuntimeError, match="cannot be copied or pickled .* use its detach"):
        duplicate(needs_grad(1.0) * 2.0)


def test_star_import_gives_the_functions_only():
    names: dict = {}
    exec("from minigrad.functional import *", names)
    assert set(names) - {"__builtins__"} == set(F.__all__) and "np" not in F.__all__
