"""`minigrad.summary`, for networks of every form."""

import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.random import random_keys


def network():
    return nn.Sequential(
        nn.Conv2d(6, 4, kernel_size=3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4 * 3 * 3, 5),
    )


class Block(nn.Module):
    """Two branches of one layer's output, and operations between layers."""

    def __init__(self):
        self.left = nn.Conv2d(2, 2, 3, padding=1)
        self.right = nn.Conv2d(2, 2, 1, bias=False)

    def forward(self, input):
        return F.relu(self.left(input) + self.right(input))


def by_name(model, *shapes):
    return {layer.name: layer for layer in mg.summary(model, *shapes).layers}


def numbers(layer):
    return layer.output_shape, layer.parameters, layer.multiply_adds, layer.output_bytes


def test_numbers_of_each_layer():
    layers = mg.summary(network(), (2, 6, 6, 6)).layers
    assert [layer.name for layer in layers] == ["0", "1", "2", "3", "4", "5"]
    assert [layer.kind for layer in layers] == [type(layer).__name__ for layer in network()]
    assert all(layer.calls == 1 for layer in layers)
    conv, relu, pool, flatten, dropout, linear = map(numbers, layers)
    image = 2 * 4 * 6 * 6
    assert conv == ((2, 4, 6, 6), 3 * 4 * 9 + 4, image * 3 * 9, 4 * image)
    assert relu == ((2, 4, 6, 6), 0, 0, 4 * image)
    assert pool == ((2, 4, 3, 3), 0, 0, image)
    assert flatten == ((2, 36), 0, 0, 4 * 2 * 36)  # channels are last in memory: they are moved
    assert dropout == ((2, 36), 0, 0, 4 * 2 * 36)
    assert linear == ((2, 5), 5 * 37, 2 * 5 * 36, 4 * 2 * 5)


def test_totals():
    model = network()
    model[0].weight.requires_grad = False
    found = mg.summary(model, (2, 6, 6, 6))
    for name in ("parameters", "multiply_adds", "output_bytes"):
        assert getattr(found, name) == sum(getattr(layer, name) for layer in found.layers)
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert found.trainable_parameters == found.parameters - 3 * 4 * 9
    assert found.parameter_bytes == 4 * found.parameters
    assert found.input_shapes == ((2, 6, 6, 6),) and not found.notes


def test_evaluation_costs_less():
    model = network()
    assert mg.summary(model, (1, 6, 6, 6)).training
    model.eval()
    found = mg.summary(model, (1, 6, 6, 6))
    assert not found.training and "in evaluation mode" in str(found)
    assert found.layers[4].output_bytes == 0  # dropout returns its input


class Holder(nn.Module):
    def __init__(self, part):
        self.part = part

    def forward(self, input):
        return self.part(input)


@pytest.mark.parametrize("wrapped", [nn.Sequential, Holder])
def test_two_fused_layers_write_one_array(wrapped):
    conv, norm = nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(3)
    pairs = nn.Fused(conv, nn.ReLU()), nn.Fused(norm, nn.MaxPool2d(2))
    found = mg.summary(nn.Sequential(*map(wrapped, pairs)), (1, 3, 8, 8))
    assert [numbers(layer) for layer in found.layers] == [
        ((1, 4, 6, 6), 112, 144 * 27, 4 * 144),
        ((1, 4, 6, 6), 0, 0, 0),
        ((1, 4, 6, 6), 0, 0, 0),
        ((1, 4, 3, 3), 0, 0, 144),
    ]


def test_branches_and_operations_of_a_module_s_own():
    layers = by_name(nn.Sequential(Block(), Block()), (1, 2, 4, 4))
    assert list(layers) == ["0", "0.left", "0.right", "1", "1.left", "1.right"]
    assert numbers(layers["0"]) == ((1, 2, 4, 4), 0, 0, 2 * 128)  # the sum and its ReLU
    assert numbers(layers["0.left"]) == ((1, 2, 4, 4), 38, 32 * 18, 128)
    assert numbers(layers["0.right"]) == ((1, 2, 4, 4), 4, 32 * 2, 128)


class Callable(nn.Module):
    """Without a `forward`."""

    def __init__(self):
        self.layer = nn.Linear(3, 2)

    def __call__(self, input):
        return F.tanh(self.layer(input))


def test_modules_that_define_call_instead_of_forward():
    layers = by_name(nn.Sequential(Callable(), nn.ReLU()), (1, 3))
    assert numbers(layers["0.layer"]) == ((1, 2), 8, 6, 8)
    (network, layer) = mg.summary(Callable(), (1, 3)).layers
    assert numbers(network) == ((1, 2), 0, 0, 8) and layer.name == "layer"


def test_a_container_is_no_layer():
    assert list(by_name(Holder(nn.Sequential(nn.ReLU())), (1, 2))) == ["part.0"]


class Bare(nn.Module):
    """Parameters and no layers: all its products are operations of its own."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones((3, 4), np.float32))
        self.filters = nn.Parameter(np.ones((2, 1, 2, 2), np.float32))

    def forward(self, images, rows):
        pooled = F.conv2d_relu(images, self.filters).sum((1, 2, 3))
        return rows @ self.weight + F.linear(rows, self.weight.T) + pooled.reshape(-1, 1)


def test_functions_instead_of_layers_and_several_inputs():
    found = mg.summary(Bare(), (2, 1, 3, 3), (2, 3))
    (layer,) = found.layers
    assert layer.name == "" and layer.output_shape == (2, 4) and layer.parameters == 12 + 8
    assert layer.multiply_adds == 2 * 2 * 4 * 4 + 2 * (2 * 4 * 3)
    assert found.input_shapes == ((2, 1, 3, 3), (2, 3))
    assert "(network)  Bare" in str(found)


class Repeated(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(3, 3)
        self.same = self.layer

    def forward(self, input):
        return self.same(self.layer(self.layer(input)))


def test_a_layer_that_is_called_several_times_is_counted_once():
    found = mg.summary(Repeated(), (2, 3))
    (layer,) = found.layers
    assert (layer.name, layer.calls) == ("layer", 3)
    assert numbers(layer) == ((2, 3), 12, 3 * 18, 3 * 24)
    assert found.parameters == 12
    assert found.notes == (
        "layer (Linear) is called 3 times: its parameters are counted once, its multiply-adds and "
        "bytes for all calls.",
    )
    assert found.notes[0] in str(found)


def test_parameters_that_two_layers_share_are_counted_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    found = mg.summary(model, (1, 3))
    assert [layer.parameters for layer in found.layers] == [12, 3] and found.parameters == 15
    assert found.notes == ("1 (Linear) shares parameters with 0 (Linear), where they are counted.",)


def test_a_layer_that_is_not_called():
    block = Block()
    block.spare = nn.Linear(2, 3)
    found = mg.summary(block, (1, 2, 4, 4))
    assert numbers(found.layers[-1]) == (None, 9, 0, 0) and found.layers[-1].calls == 0
    assert found.notes == ("spare (Linear) is not called.",)
    assert found.parameters == sum(layer.parameters for layer in found.layers)


class Pair(nn.Module):
    def forward(self, input):
        return input + 1, input * 2


def test_a_module_may_return_anything():
    (layer,) = mg.summary(Pair(), (1, 2)).layers
    assert numbers(layer) == (None, 0, 0, 16)


def test_a_view_and_a_relu_in_place_write_nothing():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Flatten(0))
    assert [layer.output_bytes for layer in mg.summary(model, (2, 4)).layers] == [32, 0, 0]


def test_float_type_of_the_parameters():
    assert mg.summary(network().to(np.float64), (2, 6, 6, 6)).layers[0].output_bytes == 8 * 288


def test_on_a_gpu(cuda):
    on_gpu, on_cpu = (mg.summary(network().to(device), (2, 6, 6, 6)) for device in ("cuda", "cpu"))
    assert on_gpu == on_cpu


@pytest.mark.parametrize(
    "part, layer",
    [
        (nn.Sequential(nn.ReLU(), nn.Linear(4, 2)), r"1.1 \(Linear\): linear"),
        (Holder(nn.Sequential(nn.MaxPool2d(2))), r"1.part.0 \(MaxPool2d\): max_pool2d"),
    ],
)
def test_a_shape_that_does_not_fit(part, layer):
    model = nn.Sequential(nn.Flatten(), part)
    with pytest.raises(ValueError, match=f"^{layer}: [^()]*input"):
        mg.summary(model, (1, 3))
    with pytest.raises(ValueError, match=r"^(linear|max_pool2d): "):  # the model has no names in it
        model(mg.Tensor(np.zeros((1, 3), np.float32)))


def test_a_wrong_number_of_inputs():
    with pytest.raises(TypeError, match=r"^Bare: .*missing 1 required positional argument: 'rows'"):
        mg.summary(Bare(), (1, 1, 3, 3))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((F.relu, (1, 2)), TypeError, "model is a Module, got function"),
        ((nn.ReLU(), 1, 2), TypeError, r"a shape is a tuple such as \(1, 3, 32, 32\), got 1"),
        ((nn.ReLU(), (1, 2.0)), TypeError, r"a shape is a tuple .* got \(1, 2.0\)"),
        ((nn.ReLU(), (1, -1)), ValueError, r"a shape has no negative sizes, got \(1, -1\)"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=f"^summary: {message}"):
        mg.summary(*arguments)


class Counter(nn.Module):
    """It changes with each call: a running mean, a counter, a list, and its last output."""

    def __init__(self):
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.mean, self.buffer, self.seen, self.calls = np.zeros(2), mg.tensor([0.0, 0.0]), [], 0
        self.last = None

    def forward(self, input):
        self.calls += 1
        self.mean += 1
        self.buffer.data[...] += 1
        self.seen.append(input.shape)
        self.last = F.dropout(input * self.scale, 0.5, self.training)
        return self.last


@pytest.mark.parametrize("shape", [(1, 2), (1, 3)], ids=["run", "error"])
def test_the_model_is_left_as_it_was(shape):
    model = nn.Sequential(Counter(), nn.Dropout(0.5))
    model[1].eval()
    model(mg.Tensor(np.ones((1, 2), np.float32))).sum().backward()
    counter = model[0]
    last, gradient = counter.last, counter.scale.grad.numpy().copy()
    attributes = set(vars(counter))
    before = random_keys.seed, random_keys.call
    try:
        mg.summary(model, shape)
    except ValueError:
        assert shape == (1, 3)
    assert (random_keys.seed, random_keys.call) == before
    assert counter.calls == 1 and counter.seen == [(1, 2)] and counter.last is last
    assert counter.mean.tolist() == counter.buffer.numpy().tolist() == [1, 1]
    assert set(vars(counter)) == attributes and "forward" not in vars(model)
    assert np.array_equal(counter.scale.grad.numpy(), gradient)
    assert [module.training for module in model] == [True, False]
    assert mg.is_grad_enabled()


def test_an_attribute_that_cannot_be_copied():
    model = nn.ReLU()
    model.lock = threading.Lock()
    with pytest.raises(TypeError, match="^summary: ReLU has an attribute that cannot be copied: "):
        mg.summary(model, (1, 2))


def test_operations_of_other_threads_are_not_counted():
    class Waiting(nn.Module):
        def forward(self, input):
            thread = threading.Thread(target=lambda: input @ input)
            thread.start()
            thread.join()
            return input

    assert mg.summary(Waiting(), (3, 3)).multiply_adds == 0


def test_table():
    assert str(mg.summary(nn.Sequential(nn.Linear(100, 20), nn.Tanh()), (4, 100))) == "\n".join(
        [
            "layer  kind    output shape  parameters  multiply-adds  output bytes",
            "-" * 68,
            "0      Linear  (4, 20)            2,020          8,000           320",
            "1      Tanh    (4, 20)                0              0           320",
            "-" * 68,
            "total                             2,020          8,000           640",
            "",
            "Input (4, 100), in training mode.",
            "2,020 of 2,020 parameters are trainable; all take 8,080 bytes.",
        ]
    )


def test_table_of_a_notebook():
    model = Holder(nn.Linear(3, 2))
    vars(model)["<b>"] = nn.ReLU()
    html = mg.summary(model, (1, 3))._repr_html_()
    assert html.startswith("<table><thead><tr><th>layer</th><th>kind</th>")
    assert "<td>part</td><td>Linear</td><td>(1, 2)</td><td>8</td><td>6</td><td>8</td>" in html
    assert "<td>total</td>" in html and "&lt;b&gt; (ReLU) is not called." in html
    assert "<b>" not in html
