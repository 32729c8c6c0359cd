"""Modules: names, modes, state; layers call their function with their parameters."""

import contextlib
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim


class Net(nn.Module):
    def __init__(self):
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten()
        )
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.head = nn.Linear(16, 2)

    def forward(self, input):
        return self.head(self.body(input) * self.scale)


def test_names_in_order_of_definition():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "body.0.weight",
        "head.weight",
        "head.bias",
    ]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert [name for name, _ in net.named_modules()] == [
        "", "body", "body.0", "body.1", "body.2", "head",
    ]  # fmt: skip
    assert all(p.requires_grad and p.dtype == np.float32 for p in net.parameters())


def test_train_and_eval_reach_every_module():
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    x = mg.Tensor(np.ones((8, 8), np.float32))
    assert net.training and not np.array_equal(net(x).data, x.data)
    assert net.eval() is net and not any(m.training for _, m in net.named_modules())
    assert np.array_equal(net(x).data, x.data)
    assert net.train() is net and all(m.training for _, m in net.named_modules())


def test_state_dict_round_trip_copies_values():
    net, other = Net(), Net()
    state = {name: array.copy() for name, array in net.state_dict().items()}
    other.load_state_dict(state)
    state["scale"] += 1
    for ours, theirs in zip(net.parameters(), other.parameters()):
        assert np.array_equal(ours.data, theirs.data)


def test_state_dict_that_does_not_fit_changes_nothing():
    net = Net()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    with pytest.raises(KeyError) as error:
        net.load_state_dict({"other" if k == "scale" else k: v for k, v in state.items()})
    assert error.value.args[0] == "load_state_dict: missing ['scale'], unknown ['other']"
    with pytest.raises(ValueError) as error:
        net.load_state_dict({**state, "head.bias": np.zeros(3)})
    assert str(error.value) == "load_state_dict: head.bias has shape (3,), expected (2,)"
    for name, array in net.state_dict().items():
        assert np.array_equal(array, before[name])


def test_assigned_parameters_are_the_arrays_themselves():
    net = nn.Linear(2, 1)
    state = {"weight": np.ones((1, 2), np.float32), "bias": np.ones(1, np.float64)}
    net.load_state_dict(state)
    assert net.weight.data is not state["weight"]
    net.load_state_dict(state, assign=True)
    assert net.weight.data is state["weight"]
    assert net.bias.dtype == np.float32


@pytest.mark.parametrize("assign", [False, True])
def test_arrays_of_any_layout_are_loaded_and_learn(assign, rng):
    weight, bias = rng.standard_normal((2, 3)).T, np.arange(6.0)[::-2]
    layer, plain = nn.Linear(2, 3).to(np.float64), nn.Linear(2, 3).to(np.float64)
    plain.load_state_dict({"weight": weight.copy(), "bias": bias.copy()})
    layer.load_state_dict({"weight": weight, "bias": bias}, assign=assign)
    assert np.shares_memory(layer.weight.data, weight) == assign
    for net in (layer, plain):
        net(mg.Tensor(np.array([[1.0, 2.0]]))).sum().backward()
        optim.SGD(net.parameters(), lr=0.1).step()
    np.testing.assert_array_equal(layer.weight.data, plain.weight.data)
    np.testing.assert_array_equal(layer.bias.data, plain.bias.data)


def test_arrays_that_do_not_fit_change_nothing():
    layer = nn.Linear(2, 3)
    before = {name: array.copy() for name, array in layer.state_dict().items()}
    fine = {"weight": np.ones((3, 2)), "bias": np.ones(3)}
    for name, wrong, message in (
        ("bias", np.ones(3, complex), "load_state_dict: bias is complex128, expected float32"),
        ("bias", np.array(list("abc")), "load_state_dict: bias is <U1, expected float32"),
    ):
        for assign in (False, True):
            with pytest.raises(TypeError, match=message):
                layer.load_state_dict(fine | {name: wrong}, assign)
    layer.bias.data.flags.writeable = False
    with pytest.raises(ValueError, match="load_state_dict: the parameter bias is read-only"):
        layer.load_state_dict(fine)
    for name, array in layer.state_dict().items():
        assert np.array_equal(array, before[name])
    layer.load_state_dict(fine, assign=True)
    layer.load_state_dict({"weight": mg.tensor(fine["weight"]), "bias": [1, 2, 3]})
    assert layer.bias.numpy().tolist() == [1, 2, 3]


def test_read_only_arrays_can_be_used_but_not_trained():
    layer, weight = nn.Linear(2, 3), np.ones((3, 2), np.float32)
    weight.flags.writeable = False
    layer.load_state_dict({"weight": weight, "bias": np.ones(3, np.float32)}, assign=True)
    output = layer(mg.tensor([[1.0, 2.0]]))
    assert output.numpy().tolist() == [[4, 4, 4]]
    output.sum().backward()
    with pytest.raises(ValueError, match="SGD.step: parameter 0 .* is read-only"):
        optim.SGD(layer.parameters(), lr=0.1).step()
    assert (layer.bias.numpy() == 1).all()


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, input):
        return self.second(self.first(input).tanh())


def test_shared_parameter_is_listed_once_and_saved_by_both_names(torch):
    net = Tied()
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias"]
    everything = ["first.weight", "first.bias", "second.weight"]
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)] == everything
    assert list(net.state_dict()) == everything

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3, bias=False)
            self.second.weight = self.first.weight

    twin = Twin()
    assert [name for name, _ in twin.named_parameters()] == ["first.weight", "first.bias"]
    assert list(twin.state_dict()) == everything
    twin.load_state_dict({name: torch.tensor(x) for name, x in net.state_dict().items()})
    x = np.array([[1.0, -2.0, 0.5]], np.float32)
    net(mg.Tensor(x)).sum().backward()
    twin.second(torch.tanh(twin.first(torch.tensor(x)))).sum().backward()
    np.testing.assert_allclose(net.first.weight.grad.numpy(), twin.first.weight.grad, rtol=1e-5)


def test_shared_parameter_stays_shared(cuda, tmp_path):
    net = Tied()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    for change in (
        lambda: optimizer.step(),
        lambda: net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()}),
        lambda: net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()}, assign=True),
        lambda: net.to(np.float64),
        lambda: net.to("cuda"),
    ):
        net.zero_grad()
        x = mg.Tensor(np.ones((1, 3))).to(net.first.weight.dtype)
        net(x.to(net.first.weight.device)).sum().backward()
        change()
        assert net.second.weight is net.first.weight
        assert net.first.weight.is_leaf
    net.to("cpu")
    mg.save(tmp_path / "tied.safetensors", net.state_dict())
    arrays, _ = mg.load(tmp_path / "tied.safetensors")
    other = Tied().to(np.float64)
    other.load_state_dict(arrays)
    assert other.second.weight is other.first.weight
    np.testing.assert_array_equal(other.first.weight.numpy(), net.first.weight.numpy())


def test_skipped_initialization_fills_nothing_and_changes_no_later_draw():
    def fill_and_draw():
        mg.manual_seed(3)
        with nn.init.skipped() if skipping else contextlib.nullcontext():
            parameter = nn.init.constant_(nn.init.normal_(nn.Parameter(np.full(5, 7.0))), 1.0)
            nn.Linear(50, 30)
        return parameter.numpy(), nn.Linear(4, 3).weight.numpy()

    skipping = False
    filled, expected = fill_and_draw()
    skipping = True
    untouched, after = fill_and_draw()
    assert (filled == 1).all() and (untouched == 7).all()
    np.testing.assert_array_equal(after, expected)


def test_skipped_without_keys_draws_nothing():
    mg.manual_seed(3)
    expected = nn.Linear(4, 3).weight.numpy()
    mg.manual_seed(3)
    with nn.init.skipped(take_keys=False):
        nn.Linear(50, 30)
        with nn.init.skipped():  # as networks do inside
            nn.Linear(50, 30)
        nn.Linear(50, 30)
    np.testing.assert_array_equal(nn.Linear(4, 3).weight.numpy(), expected)


def test_initialization_is_skipped_in_its_own_thread_only():
    parameter = nn.Parameter(np.full(5, 7.0))
    with nn.init.skipped():
        thread = threading.Thread(target=nn.init.constant_, args=(parameter, 1.0))
        thread.start()
        thread.join()
    assert (parameter.numpy() == 1).all()


def test_to_another_float_type_in_place():
    net = Net()
    parameter = net.scale
    assert net.to(np.float64) is net and net.scale is parameter
    assert all(p.dtype == np.float64 and p.is_leaf for p in net.parameters())
    assert net(mg.Tensor(np.ones((1, 3, 2, 2)))).dtype == np.float64


def test_zero_grad():
    net = Net()
    net(mg.Tensor(np.ones((1, 3, 2, 2), np.float32))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_sequential_is_a_sequence():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert len(net) == 3 and isinstance(net[1], nn.Tanh) and isinstance(net[-1], nn.Sigmoid)
    assert [type(m).__name__ for m in net] == ["ReLU", "Tanh", "Sigmoid"]


def test_printed_form():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Dropout(0.25)))
    assert repr(net) == (
        "Sequential(\n  (0): Linear(2, 3)\n  (1): Sequential(\n    (0): Dropout(p=0.25)\n  )\n)"
    )
    assert repr(nn.Conv2d(3, 8, (3, 2), stride=2, groups=1)) == (
        "Conv2d(3, 8, kernel_size=(3, 2), stride=2, padding=0, groups=1)"
    )


IMAGE = (2, 4, 6, 5)
LAYERS = [
    (nn.ReLU(), F.relu),
    (nn.Tanh(), F.tanh),
    (nn.Sigmoid(), F.sigmoid),
    (nn.Flatten(), lambda x: F.flatten(x, 1)),
    (nn.MaxPool2d(3, 2, 1), lambda x: F.max_pool2d(x, 3, 2, 1)),
    (nn.MaxPool2d((2, 3)), lambda x: F.max_pool2d(x, (2, 3), (2, 3), 0)),
    (nn.AvgPool2d((3, 2), (1, 2), (1, 0)), lambda x: F.avg_pool2d(x, (3, 2), (1, 2), (1, 0))),
    (
        nn.MaxPool2d(2, 3, 1, (2, 1), ceil_mode=True),
        lambda x: F.max_pool2d(x, 2, 3, 1, (2, 1), True),
    ),
    (
        nn.AvgPool2d(3, 2, 1, True, False),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    (nn.AvgPool2d(3, divisor_override=4), lambda x: F.avg_pool2d(x, 3, divisor_override=4)),
    (nn.Flatten(0, 2), lambda x: F.flatten(x, 0, 2)),
    (nn.AdaptiveAvgPool2d((2, 3)), lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
    (
        nn.LocalResponseNorm(3, alpha=0.5, beta=0.5, k=2.0),
        lambda x: F.local_response_norm(x, 3, 0.5, 0.5, 2.0),
    ),
]


@pytest.mark.parametrize("layer, function", LAYERS, ids=lambda x: getattr(x, "__name__", repr(x)))
def test_layer_is_its_function(layer, function, rng):
    x = mg.Tensor(rng.standard_normal(IMAGE))
    assert np.array_equal(layer(x).data, function(x).data)


def test_convolution_and_linear_layers(rng):
    x = mg.Tensor(rng.standard_normal(IMAGE).astype(np.float32))
    conv = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2)
    expected = F.conv2d(x, conv.weight, conv.bias, (2, 1), (1, 0), groups=2)
    assert conv.weight.shape == (6, 2, 3, 2) and np.array_equal(conv(x).data, expected.data)
    linear = nn.Linear(5, 3, bias=False)
    y = x[0, 0]
    assert np.array_equal(linear(y).data, F.linear(y, linear.weight).data)
    assert nn.Linear(5, 3).bias.shape == (3,)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2),
        nn.MaxPool2d((4, 3), 2, 1),
        nn.AvgPool2d((3, 2)),
        nn.Conv2d(4, 6, (3, 2), dilation=(2, 3), padding="valid"),
        nn.MaxPool2d((3, 2), 2, dilation=(2, 1), ceil_mode=True),
        nn.AvgPool2d((3, 2), 4, ceil_mode=True),
    ],
    ids=repr,
)
def test_output_shape(layer, rng):
    x = mg.Tensor(rng.standard_normal(IMAGE).astype(np.float32))
    assert layer.output_shape(x.shape) == layer(x).shape
    with pytest.raises(ValueError, match="does not fit input"):
        layer.output_shape((1, 4, 1, 1))


def test_output_shape_of_a_convolution_that_keeps_the_size():
    layer = nn.Conv2d(4, 6, (3, 4), padding="same", dilation=(2, 3))
    x = mg.Tensor(np.ones((1, 4, 1, 2), np.float32))
    assert layer.output_shape(x.shape) == layer(x).shape == (1, 6, 1, 2)


def test_cross_entropy_layer(rng):
    x = mg.Tensor(rng.standard_normal((3, 4)))
    assert nn.CrossEntropyLoss()(x, [0, 3, 1]).item() == F.cross_entropy(x, [0, 3, 1]).item()
    weight = mg.Tensor(np.array([1.0, 2, 3, 4]))
    options = {"ignore_index": 3, "reduction": "sum", "label_smoothing": 0.2}
    layer = nn.CrossEntropyLoss(weight, **options)
    assert layer(x, [0, 3, 1]).item() == F.cross_entropy(x, [0, 3, 1], weight, **options).item()
    assert not list(layer.parameters())


def test_fused_convolution_and_relu(rng):
    convolution, after = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 2)
    net = nn.Sequential(nn.Fused(convolution, nn.ReLU()), after)
    image = mg.Tensor(rng.standard_normal((2, 2, 6, 5)).astype(np.float32))
    hidden = convolution(image).relu()
    assert np.array_equal(net(image).data, after(hidden).data)
    fused = net.steps[0](image)
    assert np.array_equal(fused.data, hidden.data)
    assert (fused._node.function.__name__, hidden._node.function.__name__) == ("Conv2dReLU", "ReLU")


def test_fused_normalization_and_max_pooling(rng):
    norm, pool = nn.LocalResponseNorm(3, 1.5, 0.5, 0.8), nn.MaxPool2d((3, 2), (2, 1), (1, 0))
    image = mg.Tensor(rng.standard_normal((2, 4, 6, 5)), requires_grad=True)
    fused, separate = nn.Fused(norm, pool)(image), nn.Sequential(norm, pool)(image)
    assert np.array_equal(fused.data, separate.data)
    assert fused._node.function.__name__ == "LocalResponseNormMaxPool2d"
    assert separate._node.function.__name__ == "MaxPool2d"


@pytest.mark.parametrize(
    "first, second, message",
    [
        (nn.Conv2d(1, 1, 1), nn.Tanh(), "Fused: no operation computes Conv2d with Tanh"),
        # A derived layer may compute something else.
        (nn.Conv2d(1, 1, 1), type("Other", (nn.ReLU,), {})(), "computes Conv2d with Other; there"),
        (nn.LocalResponseNorm(3), type("Other", (nn.MaxPool2d,), {})(2), "Norm with Other"),
    ],
)
def test_layers_that_no_operation_computes_together(first, second, message):
    with pytest.raises(TypeError, match=message):
        nn.Fused(first, second)


def test_fused_layers_have_the_names_that_they_have_one_by_one():
    def layers():
        return nn.Conv2d(1, 2, 3), nn.ReLU(), nn.LocalResponseNorm(3), nn.MaxPool2d(2)

    def names(net):
        return [(name, type(module)) for name, module in net.named_modules()][1:]

    conv, relu, norm, pool = layers()
    fused = nn.Sequential(nn.Fused(conv, relu), nn.Fused(norm, pool), nn.Dropout(0.5))
    apart = nn.Sequential(*layers(), nn.Dropout(0.5))
    assert names(fused) == names(apart) and list(fused.state_dict()) == ["0.weight", "0.bias"]
    assert fused[1] is relu and len(fused) == 5
    assert not any(module.training for _, module in fused.eval().named_modules())
    assert [name for name, _ in nn.Fused(conv, relu).named_parameters()] == ["0.weight", "0.bias"]
    assert repr(fused).splitlines() == [
        "Sequential(",
        f"  (0-1): Fused({conv}, ReLU())",
        f"  (2-3): Fused({norm}, {pool})",
        "  (4): Dropout(p=0.5)",
        ")",
    ]


def test_arguments_by_name_reach_forward():
    class Scaled(nn.Module):
        def forward(self, x, factor=1.0):
            return x * factor

    assert Scaled()(mg.tensor([2.0]), factor=3.0).item() == 6


@pytest.mark.parametrize("target", [np.float64, "cuda"])
def test_gradients_move_with_their_parameters(target, cuda):
    """As in PyTorch, so that gradients of batches before and after add up."""
    layer = nn.Linear(2, 3)
    for _ in range(2):
        x = mg.Tensor(np.ones((1, 2), np.float32))
        layer(x.to(layer.weight.dtype).to(layer.weight.device)).sum().backward()
        layer.to(target)
    for parameter in layer.parameters():
        assert parameter.grad.device == parameter.device
        assert parameter.grad.dtype == parameter.dtype
        assert (parameter.grad.numpy() == 2).all()
    optim.SGD(layer.parameters(), lr=0.1).step()
