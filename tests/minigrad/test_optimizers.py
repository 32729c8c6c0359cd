"""What optimizers take as parameters, and arrays that do not fit: for all optimizers alike."""

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

OPTIMIZERS = pytest.mark.parametrize("optimizer", [optim.LARS, optim.SGD, optim.Adam])


def parameter(*shape, dtype=np.float32):
    return nn.Parameter(np.ones(shape, dtype))


def ready(*shape):
    """A parameter with a gradient."""
    result = parameter(*shape)
    result.grad = mg.Tensor(np.ones(shape, np.float32))
    return result


def used_up():
    parameters = nn.Linear(2, 1).parameters()
    list(parameters)
    return parameters


WRONG_PARAMETERS = {
    "one tensor": (lambda: parameter(2), TypeError, "parameters must be a list of tensors"),
    "a module": (lambda: nn.Linear(2, 1), TypeError, "such as model.parameters(), got Linear"),
    "modules": (lambda: nn.Sequential(nn.Tanh()), TypeError, "must be a Tensor, got Tanh"),
    "a set": (lambda: {parameter(2)}, TypeError, "with an order such as model.parameters(), got"),
    "one group": (lambda: {"params": [parameter(2)]}, TypeError, "got dict"),
    "text": (lambda: "weight", TypeError, "got str"),
    "a number": (lambda: [3], TypeError, "a parameter must be a Tensor, got int"),
    "None": (lambda: [None], TypeError, "got NoneType"),
    "an array": (lambda: [np.ones(2)], TypeError, "got ndarray"),
    "lists in a list": (lambda: [[parameter(2)]], TypeError, "got list"),
    "a group and a tensor": (
        lambda: [{"params": [parameter(2)]}, parameter(2)],
        TypeError,
        'a group is a dictionary {"params": [...], ...}, got Parameter',
    ),
    "a group without parameters": (lambda: [{"lr": 1}], TypeError, "a group is a dictionary"),
    "a set in a group": (lambda: [{"params": {parameter(2)}}], TypeError, '"params" must be'),
    "a generator that is used up": (used_up, ValueError, "got no parameters; an iterator such as"),
    "a result": (lambda: [parameter(2) * 2.0], ValueError, "a tensor of shape (2,) is not a leaf"),
}


@OPTIMIZERS
@pytest.mark.parametrize("make, error, message", WRONG_PARAMETERS.values(), ids=WRONG_PARAMETERS)
def test_what_cannot_be_learned_is_refused(optimizer, make, error, message):
    with pytest.raises(error) as caught:
        optimizer(make(), lr=0.1)
    assert str(caught.value).startswith(f"{optimizer.__name__}: ") and message in str(caught.value)


@OPTIMIZERS
def test_what_pytorch_takes_is_taken(optimizer):
    layer = nn.Linear(2, 1)
    for parameters in (
        layer.parameters(),
        layer.named_parameters(),
        tuple(layer.parameters()),
        dict(layer.named_parameters()).values(),
        [{"params": layer.named_parameters()}],
        [{"params": layer.weight}, {"params": [layer.bias], "lr": 0.2}],
    ):
        taken = optimizer(parameters, lr=0.1)
        listed = [parameter for group in taken.groups for parameter in group["params"]]
        assert listed[0] is layer.weight and listed[1] is layer.bias
    frozen = mg.tensor([1.0])  # a leaf that requires no gradient gets none, and stays
    optimizer([frozen, mg.tensor([2.0], requires_grad=True)], lr=0.1).step()
    assert frozen.item() == 1


def replaced(parameter, array):
    parameter.data = array
    return parameter


def unwritable(array):
    array.flags.writeable = False
    return array


MISFITS = {
    "read-only": (
        lambda p: replaced(p, unwritable(p.data.copy())),
        ValueError,
        "parameter 1 of group 0 of shape (3,) is read-only",
    ),
    "one number for all": (
        lambda p: replaced(p, np.lib.stride_tricks.as_strided(np.ones(1, np.float32), (3,), (0,))),
        ValueError,
        "several of its elements are one number in memory",
    ),
    "larger than its gradient": (
        lambda p: replaced(p, np.ones(3_000_000, np.float32)),
        ValueError,
        "the gradient of parameter 1 of group 0 has shape (3,), the parameter (3000000,)",
    ),
    "smaller than its gradient": (
        lambda p: replaced(p, np.ones(2, np.float32)),
        ValueError,
        "has shape (3,), the parameter (2,)",
    ),
    "of another type than its gradient": (
        lambda p: replaced(p, np.ones(3)),
        TypeError,
        "is float32 on cpu, the parameter float64 on cpu; after a change",
    ),
}


@OPTIMIZERS
@pytest.mark.parametrize("steps_before", [0, 1])
@pytest.mark.parametrize("change, error, message", MISFITS.values(), ids=MISFITS)
def test_arrays_that_do_not_fit_change_nothing(optimizer, steps_before, change, error, message):
    """Also not the parameters before them."""
    first, second = ready(4), ready(3)
    taken = optimizer([first, second], lr=0.1)
    for _ in range(steps_before):
        taken.step()
    change(second)
    before = first.data.copy(), second.data.copy()
    with pytest.raises(error) as caught:
        taken.step()
    assert message in str(caught.value)
    assert np.array_equal(first.data, before[0]) and np.array_equal(second.data, before[1])


@OPTIMIZERS
@pytest.mark.parametrize("size", [2, 3_000_000])
def test_state_of_another_shape_is_refused(optimizer, size):
    """The gradient fits the new array; the state of the steps before does not."""
    parameter = ready(3)
    taken = optimizer([parameter], lr=0.1)
    taken.step()
    parameter.data = np.ones(size, np.float32)
    parameter.grad = mg.Tensor(np.ones(size, np.float32))
    name = optimizer.state_names[0]
    with pytest.raises(ValueError, match=rf"the {name} of parameter 0 .* has shape \(3,\), the"):
        taken.step()
    assert (parameter.data == 1).all()


@OPTIMIZERS
def test_model_moved_after_the_first_step(optimizer, cuda):
    layer = nn.Linear(2, 1)
    taken = optimizer(layer.parameters(), lr=0.1)
    x = mg.tensor([[1.0, 2.0]])
    layer(x).sum().backward()
    taken.step()
    layer.to("cuda")
    with pytest.raises(TypeError, match="is float32 on cpu, the parameter float32 on cuda; after"):
        taken.step()
    layer.zero_grad()
    layer(x.to("cuda")).sum().backward()
    before = layer.weight.numpy().copy()
    with pytest.raises(TypeError, match="is float32 on cpu, the parameter float32 on cuda; after"):
        taken.step()
    assert np.array_equal(layer.weight.numpy(), before)


@OPTIMIZERS
@pytest.mark.parametrize(
    "change, error, message",
    [
        (lambda state, name: state.pop(name), ValueError, "is missing"),
        (lambda state, name: state.update(other=np.ones(3)), ValueError, "other is unknown"),
        (lambda state, name: state.update({name: np.ones(4)}), ValueError, "has shape (4,), exp"),
        (lambda state, name: state.update({name: np.ones(3, complex)}), TypeError, "complex128"),
        (lambda state, name: state.update({name: np.array(list("abc"))}), TypeError, "<U1"),
    ],
)
def test_state_that_does_not_fit_changes_nothing(optimizer, change, error, message):
    first, second = ready(3), ready(3)
    taken = optimizer([first, second], lr=0.1)
    taken.step()
    state = {name: array.copy() for name, array in taken.state_dict().items()}
    wrong = {name: array + 1 for name, array in state.items()}
    change(wrong, f"0.1.{taken.state_names[-1]}")
    with pytest.raises(error) as caught:
        taken.load_state_dict(wrong)
    assert "load_state_dict: the state belongs to other parameters: " in str(caught.value)
    assert message in str(caught.value)
    for name, array in taken.state_dict().items():
        assert np.array_equal(array, state[name])


@OPTIMIZERS
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_goes_on_like_the_original(optimizer, duplicate):
    parameter = ready(3)
    taken = optimizer([parameter], lr=0.1, **({} if optimizer is optim.Adam else {"momentum": 0.9}))
    taken.step()
    other_parameter, other = duplicate((parameter, taken))
    parameter.grad = other_parameter.grad = mg.tensor([3.0, -1.0, 2.0])
    taken.step()
    other.step()
    assert np.array_equal(parameter.data, other_parameter.data)
    for name, array in taken.state_dict().items():
        assert np.array_equal(other.state_dict()[name], array)


def test_two_parameters_in_one_memory_are_updated_one_after_the_other(torch):
    """As in PyTorch."""
    array = np.ones(3, np.float32)
    parameters = [nn.Parameter(array), nn.Parameter(array)]
    memory = torch.ones(3)
    others = [torch.nn.Parameter(memory), torch.nn.Parameter(memory)]
    for own, other in zip(parameters, others):
        own.grad, other.grad = mg.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0])
    optim.SGD(parameters, lr=0.1).step()
    torch.optim.SGD(others, lr=0.1).step()
    np.testing.assert_array_equal(array, memory.numpy())
