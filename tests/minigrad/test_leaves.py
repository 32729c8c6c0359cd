"""What a leaf holds: its array, and a gradient that is its own."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad import functional as F
from tests.op_cases import SMALL_CASES


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_gradient_can_be_written_and_shares_memory_with_nothing(case, device, cuda, rng):
    xp, asarray = backend.get(device).xp, backend.get(device).asarray
    inputs = [
        mg.Tensor(asarray(array), requires_grad=True) for array in case.make_inputs(rng, np.float32)
    ]
    output = case.function(*inputs)
    given = asarray(rng.standard_normal(output.shape).astype(output.dtype))
    output.backward(mg.Tensor(given))
    gradients = [x.grad.data for x in inputs]
    arrays = [given, output.data, *(x.data for x in inputs)]
    for i, gradient in enumerate(gradients):
        for other in (*arrays, *gradients[:i]):
            assert not xp.may_share_memory(gradient, other)
        before = [array.copy() for array in arrays]
        expected = backend.get(device).asnumpy(gradient) * 0.5
        gradient *= 0.5
        assert np.array_equal(backend.get(device).asnumpy(gradient), expected)
        assert all((array == old).all() for array, old in zip(arrays, before))


class Passing(mg.Function):
    """Hands out an array that somebody else has."""

    @staticmethod
    def forward(ctx, input, other, *, which):
        ctx.save_for_backward(input * 3)
        ctx.which = which
        return input + other

    @staticmethod
    def backward(ctx, grad_output):
        (saved,) = ctx.saved
        fresh = grad_output.copy()
        return {
            "the output's gradient": (grad_output, grad_output),
            "a saved array": (saved, saved[:]),
            "one array twice": (fresh, fresh),
            "an array and a view of it": (fresh, fresh[::-1]),
            "repeated": (np.broadcast_to(fresh[:1], fresh.shape), fresh),
        }[ctx.which]


@pytest.mark.parametrize(
    "which",
    [
        "the output's gradient",
        "a saved array",
        "one array twice",
        "an array and a view of it",
        "repeated",
    ],
)
def test_function_of_the_user_that_returns_what_is_not_fresh(which):
    a, b = (mg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    gradient = mg.tensor([3.0, 4.0])
    Passing.apply(a, b, which=which).backward(gradient)
    before = b.grad.numpy().copy()
    a.grad.data += 1
    assert np.array_equal(b.grad.numpy(), before) and gradient.numpy().tolist() == [3, 4]
    b.grad.data *= 2


def test_gradient_of_a_leaf_itself():
    x, gradient = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor([3.0, 4.0])
    x.backward(gradient)
    x.grad.data *= 2
    assert gradient.numpy().tolist() == [3, 4] and x.grad.numpy().tolist() == [6, 8]
    x.grad = None
    x.backward(np.broadcast_to(np.float32(1), 2))
    x.grad.data *= 2


def test_gradients_on_the_training_path_are_not_copied():
    """What a kernel has written is the gradient."""
    made = []

    class Counting(backend.Backend):
        def empty(self, shape, dtype):
            made.append(super().empty(shape, dtype))
            return made[-1]

    weight = mg.tensor([[1.0, 2.0]], requires_grad=True)
    output = F.linear(mg.tensor([[3.0, 4.0]]), weight)
    output._node.ctx.backend = Counting()
    output.backward()
    assert any(weight.grad.data is array for array in made)


VIEWS = {
    "reshape": lambda x: x.reshape(8),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: x.T,
    "slice": lambda x: x[1:],
    "row": lambda x: x[1],
    "view of a view": lambda x: x.reshape(8)[2:6].reshape(2, 2).T,
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_relu_in_place_on_a_view_of_a_leaf_is_refused(view, torch):
    values = np.array([[-1.0, 2.0, -3.0, 4.0], [5.0, -6.0, 7.0, -8.0]], np.float32)
    x, other = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    with pytest.raises(RuntimeError, match="relu: inplace=True would overwrite a view of a leaf"):
        F.relu(view(x), inplace=True)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        torch.relu_(view(other))
    assert np.array_equal(x.numpy(), values)
    # A view of what an operation has computed, and of a leaf that needs no gradient, may be.
    F.relu(view(x * 1.0), inplace=True).sum().backward()
    assert np.array_equal(x.numpy(), values)
    F.relu(view(mg.tensor(values)), inplace=True)


WRONG_DATA = {
    "a list": ([1.0, 2.0], "Tensor.data: expected a NumPy or CuPy array, got list"),
    "a number": (1.0, "Tensor.data: expected a NumPy or CuPy array, got float"),
    "a tensor": (mg.tensor([1.0, 2.0]), "Tensor.data is an array, got a Tensor: use its .data"),
    "None": (None, "Tensor.data: expected a NumPy or CuPy array, got NoneType"),
    "integers": (np.array([1, 2]), "only float tensors can require a gradient, got int64"),
    "bytes turned": (np.ones(2, ">f4"), "only float tensors can require a gradient, got >f4"),
    "a mask": (np.ma.masked_array([1.0, 2.0], [True, False]), "Tensor.data cannot have a mask"),
}


@pytest.mark.parametrize("data, message", WRONG_DATA.values(), ids=WRONG_DATA)
def test_data_is_an_array(data, message):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    before = x.data
    with pytest.raises(TypeError) as caught:
        x.data = data
    assert message in str(caught.value) and x.data is before


def test_data_that_is_replaced(cuda):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    x.data = x.data.sum()  # a NumPy number
    assert type(x.data) is np.ndarray and x.shape == ()
    memory = np.arange(4.0).view(np.matrix)
    x.data = memory
    assert type(x.data) is np.ndarray and np.shares_memory(x.data, memory)
    assert type(mg.Tensor(memory).data) is np.ndarray
    x.data = cuda.asarray(np.ones(2))
    assert x.device == "cuda"


@pytest.mark.parametrize("array", [np.ones((2, 3), np.float32), np.ones(3)])
def test_gradient_of_other_data_is_not_added(array):
    """Their sum would be an array that fits the new data."""
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * 2.0).sum().backward()
    x.data = array
    with pytest.raises(RuntimeError, match=r"the one before \(3,\) and float32: set grad to None"):
        (x * 2.0).sum().backward()
    x.grad = None
    (x * 2.0).sum().backward()
    assert (x.grad.numpy() == 2).all() and x.grad.shape == array.shape


def test_data_replaced_between_forward_and_backward():
    x, weight = (mg.tensor([[1.0, 2.0]], requires_grad=True) for _ in range(2))
    output = F.linear(x, weight)
    weight.data = np.array([[5.0, 6.0]], np.float32)
    output.backward()
    assert x.grad.numpy().tolist() == [[1, 2]], "of the values that forward has read"
    output = F.linear(x, weight)
    x.data = np.ones((1, 2_000_000), np.float32)
    with pytest.raises(RuntimeError, match="data of an input must not be replaced before backward"):
        output.backward()


def test_saved_array_that_is_resized():
    array = np.zeros(1024, np.float32)
    x = mg.Tensor(array, requires_grad=True)
    output = x * x
    array.resize(4096, refcheck=False)
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        output.sum().backward()


@pytest.mark.parametrize(
    "grad, error, message",
    [
        (np.ones(2, np.float32), TypeError, "Tensor.grad is a Tensor or None, got ndarray"),
        (mg.tensor([1.0, 2.0, 3.0]), ValueError, "Tensor.grad has shape (3,), expected (2,)"),
        (
            mg.Tensor(np.ones(2)),
            TypeError,
            "Tensor.grad is float64 on cpu, expected float32 on cpu as the tensor",
        ),
    ],
)
def test_gradient_that_is_assigned(grad, error, message):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(error) as caught:
        x.grad = grad
    assert str(caught.value) == message and x.grad is None
    x.grad = mg.tensor([1.0, 1.0])
    x.sum().backward()
    assert x.grad.numpy().tolist() == [2, 2]


def test_gradient_on_another_device_is_refused(cuda):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="float32 on cuda, expected float32 on cpu"):
        x.grad = mg.tensor([1.0, 1.0]).to("cuda")
