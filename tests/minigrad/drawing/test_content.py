"""What is in the picture of a graph: operations, leaves, and the bytes that are saved."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import AlexNet
from minigrad import backend, nn
from minigrad import functional as F
from minigrad.drawing.content import Leaf, Operation, read
from tests.minigrad.drawing.graphs import GRAPHS, leaf, small
from tests.op_cases import CASES


def operations(tensor, names=None):
    return read(tensor, names or {}).operations


def last(tensor):
    return operations(tensor)[-1]


def test_the_boxes_of_a_small_graph():
    tensor, names = small()
    graph = read(tensor, names)
    float32 = np.dtype(np.float32)
    assert graph.boxes == [
        Leaf("w", (3,), float32, True, 12),
        Leaf("x", (3,), float32, False, 12),
        Operation("multiply", (3,), float32, {}, "NumPy", ("input", "other"), 0, (0, 1)),
        Leaf("b", (3,), float32, True, 0),
        Operation("add", (3,), float32, {}, "NumPy", (), 0, (2, 3)),
        Operation("relu", (3,), float32, {}, "kernels.relu", ("output",), 12, (4,)),
        Operation("sum", (), float32, {"dim": "(0,)"}, "NumPy", (), 0, (5,)),
    ]
    assert graph.saved_bytes == 36
    assert graph.unsaved_bytes == 24  # the outputs of multiply and add


# -- names, parameters, kernels -----------------------------------------------------------


OTHER_FUNCTIONS = {"flatten": "reshape", "transpose": "permute", "adaptive_avg_pool2d": "matmul"}


def test_operations_have_the_names_of_their_functions():
    shown = set()
    for case in CASES:
        inputs = case.make_inputs(np.random.default_rng(0), np.float32)
        output = case.function(*(mg.Tensor(array, True) for array in inputs))
        if output._node is not None:  # some operations return their input
            names = {operation.name for operation in operations(output)}
            if len(names) == 1:
                assert names == {OTHER_FUNCTIONS.get(case.operation, case.operation)}, case.name
            shown |= names
    shown.add(last(leaf(2).to(np.float64)).name)
    # Rows of a loss that are ignored are masked; no function does that.
    assert shown - {"Mask"} == set(F.__all__) - OTHER_FUNCTIONS.keys()


@pytest.fixture
def called(monkeypatch):
    """The kernel families that operations call from now on."""
    cpu, names = backend.get("cpu"), set()
    kernels = cpu.kernels

    class Recorder:
        def __getattr__(self, name):
            if name != "__all__":
                names.add(f"kernels.{name}")
            return getattr(kernels, name)

    monkeypatch.setitem(vars(cpu), "kernels", Recorder())
    return names


def test_on_a_gpu(cuda):
    weight = mg.Tensor(cuda.asarray(np.ones((2, 3), np.float32)), requires_grad=True)
    three = mg.Tensor(cuda.asarray(np.array(3, np.float32)))
    graph = read((F.linear(weight, weight) * three).exp(), {})
    assert [box.code for box in graph.operations] == ["kernels.linear", "CuPy", "CuPy"]
    assert graph.operations[1].parameters == {"other": "3"}
    assert [box.saved_bytes for box in graph.boxes] == [24, 16, 4, 16]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operation_names_the_kernels_that_it_calls(case, called):
    inputs = case.make_inputs(np.random.default_rng(0), np.float32)
    output = case.function(*(mg.Tensor(array, True) for array in inputs))
    by_kernels = set(called)
    if output._node is not None:  # local_response_norm of no elements is its input
        shown = {operation.code for operation in operations(output)}
        assert shown - {"NumPy"} == by_kernels


def test_a_function_of_ones_own_names_its_module():
    class Exp(mg.Function):
        @staticmethod
        def forward(ctx, input, *, key, mask, options):
            return input + 1

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

    output = Exp.apply(leaf(2), key=7, mask=np.ones(2), options=[np.ones(10**6)])
    (found,) = operations(output)
    assert (found.name, found.code) == ("Exp", __name__)
    assert found.parameters == {"key": "7", "options": "list"}


@pytest.mark.parametrize(
    "function, shape, expected",
    [
        (
            lambda x: F.max_pool2d(x, 2, (1, 2)),
            (1, 2, 6, 6),
            "kernel_size=2 stride=(1, 2) padding=0",
        ),
        (lambda x: F.dropout(x, 0.25), (8,), "p=0.25"),
        (lambda x: F.local_response_norm(x, 5), (1, 8, 2, 2), "size=5 alpha=0.0001 beta=0.75 k=1"),
        (lambda x: F.sum(x, (0, 2), keepdim=True), (2, 3, 4), "dim=(0, 2) keepdim=True"),
        (lambda x: F.mean(x, 1), (2, 3), "dim=(1,)"),
        (lambda x: F.relu(x * x, inplace=True), (2,), "inplace=True"),
        (lambda x: x**-0.75, (2,), "exponent=-0.75"),
        (lambda x: x * 2, (2,), "other=2"),
        (lambda x: 1e-5 / x, (2,), "input=1e-05"),
        (lambda x: x.reshape(2, 3), (6,), ""),
        (lambda x: x.to(np.float64), (6,), "dtype=float64"),
        (lambda x: x.permute(1, 0), (2, 3), "dims=(1, 0)"),
        (lambda x: F.pad(x, (1, 2)), (3,), "widths=((1, 2),) value=0"),
        (lambda x: x[1:, ::2, ..., None], (3, 4, 5), "index=(1:, ::2, ..., None)"),
        (lambda x: x[0], (3,), "index=(0,)"),
        (lambda x: x[np.array([0, 2, 2])], (3,), "index=(array (3,),)"),
    ],
)
def test_parameters(function, shape, expected):
    found = last(function(leaf(*shape))).parameters
    assert " ".join(f"{name}={value}" for name, value in found.items()) == expected


def test_parameters_of_a_convolution():
    images, weight = leaf(1, 4, 6, 6), leaf(6, 2, 3, 3)
    output = F.conv2d_relu(images, weight, stride=2, padding=(1, 0), groups=2)
    assert last(output).parameters == {"stride": "2", "padding": "(1, 0)", "groups": "2"}


# -- leaves -------------------------------------------------------------------------------


def test_numbers_stand_in_the_operation_unless_they_have_a_name_or_require_a_gradient():
    number, x = mg.tensor(3.0), leaf(2)
    assert last(x * number).parameters == {"other": "3"}
    named = read(x * number, {"number": number})
    assert [box.name for box in named.leaves] == ["input", "number"]
    assert last(x * mg.tensor(3.0, requires_grad=True)).parameters == {}


def test_a_leaf_has_the_first_of_its_names_or_that_of_its_first_use():
    weight, other = leaf(2, 2), leaf(2, 2)
    graph = read(F.linear(weight, other) @ weight, {"a": other, "b": other, "unused": leaf(1)})
    assert [box.name for box in graph.leaves] == ["input", "a"]
    joined = read(F.concatenate([leaf(1), leaf(1)]), {})
    assert [box.name for box in joined.leaves] == ["inputs[0]", "inputs[1]"]


def first_and_others(ctx, first, *others):
    return first + others[0]


def anything(*arguments):
    return arguments[1] + arguments[2]


def one_optional(ctx, input, other=None, *, scale=1):
    return input + other


@pytest.mark.parametrize(
    "forward, names",
    [
        (first_and_others, ["first", "others[0]"]),
        (anything, ["arguments[1]", "arguments[2]"]),
        (one_optional, ["input", "other"]),
    ],
)
def test_names_of_the_arguments_of_a_function_of_ones_own(forward, names):
    function = type("Own", (mg.Function,), {"forward": staticmethod(forward)})
    graph = read(function.apply(leaf(2), leaf(2)), {})
    assert [box.name for box in graph.leaves] == names
    assert last(function.apply(leaf(2), mg.tensor(3.0))).parameters == {names[1]: "3"}


def test_what_no_grad_computed_is_a_constant():
    with mg.no_grad():
        constant = leaf(2) * 2
    (_, box) = read(leaf(2) * constant, {}).leaves
    assert not box.requires_grad


# -- memory -------------------------------------------------------------------------------


def saved_arrays(tensor):
    """Of all nodes."""
    nodes, tensors = {}, [tensor]
    while tensors:
        node = tensors.pop()._node
        if node is not None and id(node) not in nodes:
            nodes[id(node)] = node
            tensors += node.inputs
    return [array for node in nodes.values() for array in node.ctx._saved]


def union_bytes(arrays):
    """The memory that dense arrays fill together."""
    total, end = 0, 0
    for start, size in sorted((a.__array_interface__["data"][0], a.nbytes) for a in arrays):
        total += max(0, start + size - max(start, end))
        end = max(end, start + size)
    return total


@pytest.mark.parametrize("name", GRAPHS)
def test_saved_bytes_are_those_of_the_memory_of_all_saved_arrays(name):
    tensor, names = GRAPHS[name]()
    assert read(tensor, names).saved_bytes == union_bytes(saved_arrays(tensor))


def test_each_array_is_counted_where_it_was_made():
    conv = nn.Conv2d(3, 4, 3)
    images = mg.Tensor(np.ones((1, 5, 5, 3), np.float32).transpose(0, 3, 1, 2))  # channels last
    output = F.max_pool2d(F.relu(conv(images)), 3)
    loss = (output.flatten() * output.flatten()).sum()
    boxes = read(loss, dict(conv.named_parameters())).boxes
    assert [(box.name, box.saved_bytes) for box in boxes] == [
        ("input", 4 * 75),
        ("weight", 4 * 4 * 27),
        ("bias", 0),
        ("conv2d", 0),
        ("relu", 4 * 36),
        ("max_pool2d", 4 * 4 + 4 * 4),  # the argmax, and the output: both views are read
        ("reshape", 0),
        ("reshape", 0),
        ("multiply", 0),
        ("sum", 0),
    ]
    kinds = [box.saved for box in boxes if isinstance(box, Operation)]
    assert kinds[:3] == [("input", "weight"), ("output",), ("int32 (1, 1, 1, 4)",)]


def test_a_copy_that_a_kernel_needs_is_its_own():
    weight, images = leaf(2, 3, 3, 3), leaf(1, 3, 4, 4)  # the channels are not last
    found = last(F.conv2d(images, weight))
    assert found.saved == ("float32 (1, 4, 4, 3)", "weight") and found.saved_bytes == 4 * 48


def test_halves_of_one_array_are_two_leaves():
    array = np.ones((4, 6), np.float32)
    left, right = mg.Tensor(array[:, :2], True), mg.Tensor(array[:, 2:], True)
    graph = read((left.log().sum() + right.log().sum()), {})
    assert [box.saved_bytes for box in graph.leaves] == [4 * 8, 4 * 16]


def test_an_update_in_place_adds_nothing():
    x = leaf(5)
    boxes = read(F.relu(x + x, inplace=True).sum(), {}).boxes
    assert [box.saved_bytes for box in boxes] == [0, 20, 0, 0]


def test_only_the_output_that_a_graph_keeps_is_counted():
    x = leaf(5)
    assert read(x + x, {}).unsaved_bytes == 0
    assert read((x + x) + x, {}).unsaved_bytes == 20


def test_arrays_that_are_passed_by_keyword_live_no_longer():
    class Shift(mg.Function):
        @staticmethod
        def forward(ctx, input, *, by):
            return input + by

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

    by = np.ones(2, np.float32)
    array = weakref.ref(by)
    output = Shift.apply(leaf(2), by=by)
    del by
    gc.collect()
    assert array() is None and output._node.parameters == {}


def test_backward_frees_the_parameters():
    index = np.array([0, 1, 1])
    output = leaf(3)[index]
    output.sum().backward()
    assert output._node.parameters == {}


def test_alexnet_reads_as_its_layers():
    model = AlexNet(10, image_size=67, width=0.05)
    loss = F.cross_entropy(model(leaf(2, 3, 67, 67, requires_grad=False)), np.array([1, 2]))
    found = [operation.name for operation in operations(loss)]
    first = ["conv2d_relu", "local_response_norm_max_pool2d"]
    hidden = ["linear", "relu", "dropout"]
    last = ["linear", "cross_entropy", "sum", "divide"]
    convolutions = [*first * 2, *["conv2d_relu"] * 3, "max_pool2d", "reshape"]
    assert found == [*convolutions, *hidden * 2, *last]
