"""Each variant of the networks computes what it says, and is stored with what it has learned."""

import functools
import inspect
import math
import re

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import (
    ARCHITECTURES,
    AlexNet,
    CifarNet,
    chosen_variants,
    learned_layers,
    parameter_count,
    require_variant,
)
from alexnet.model.layers import ColumnNorm, ConstantNorm, WithinChannelNorm
from alexnet.model.variants import DEFAULTS
from alexnet.run.checkpoint import Checkpoint
from minigrad import Tensor, nn
from minigrad import functional as F
from tests.alexnet import variants
from tests.alexnet.variants import VARIANTS

pytestmark = pytest.mark.usefixtures("one_thread")

# -- what they compute -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-10), (np.float32, 2e-4)])
@pytest.mark.parametrize("name", VARIANTS)
def test_scores_and_gradients_are_those_of_pytorch(torch, name, dtype, tolerance):
    rng = np.random.default_rng(0)
    model = variants.build(name, init="torch", dropout=0.0).to(dtype)
    variants.fill(model, rng)
    size = VARIANTS[name].image_size
    images = rng.standard_normal((3, 3, size, size)).astype(dtype)
    weights = rng.standard_normal((3, 3)).astype(dtype)
    scores = model(Tensor(images))
    scores.backward(weights)

    twins = [torch.from_numpy(p.numpy().copy()).requires_grad_() for p in model.parameters()]
    expected = variants.in_pytorch(torch, name, twins, torch.from_numpy(images))
    expected.backward(torch.from_numpy(weights))
    assert scores.numpy().dtype == dtype
    assert_close(scores.numpy(), expected.detach().numpy(), tolerance)
    for (parameter, own), twin in zip(model.named_parameters(), twins, strict=True):
        assert twin.grad.any(), parameter
        assert_close(own.grad.numpy(), twin.grad.numpy(), tolerance)


def assert_close(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * abs(expected).max())


@pytest.mark.parametrize(
    "layer",
    [
        ColumnNorm(2, 3, alpha=0.5, beta=0.75, k=1.5),
        ColumnNorm(3, 4, alpha=0.9, beta=0.6, k=1.0),
        WithinChannelNorm(3, alpha=0.5, beta=0.75, k=1.5),
        WithinChannelNorm(5, alpha=0.9, beta=0.6, k=1.0),
        ConstantNorm(0.625),
    ],
    ids=repr,
)
def test_normalizations_against_finite_differences(layer, rng):
    input = Tensor(rng.standard_normal((2, 6, 4, 3)), requires_grad=True)
    assert mg.gradcheck(layer, [input])


def test_a_column_does_not_see_the_other_one(rng):
    layer = ColumnNorm(2, 5, alpha=1.0)
    values = rng.standard_normal((2, 8, 3, 3))
    both = layer(Tensor(values)).numpy()
    alone = F.local_response_norm(Tensor(values[:, :4]), 5, 1.0, 0.75, 1.0).numpy()
    np.testing.assert_allclose(both[:, :4], alone, rtol=1e-12)
    values[:, 4:] += 1
    assert np.array_equal(layer(Tensor(values)).numpy()[:, :4], both[:, :4])


@pytest.mark.parametrize("pooling", ["overlapping", "plain"])
def test_layers_and_sizes_of_the_small_network(pooling):
    model = CifarNet(pooling=pooling)
    sides, x = [], Tensor(np.zeros((1, 3, 32, 32), np.float32))
    for layer in model.features:
        x = layer(x)
        sides.append((type(layer).__name__, x.shape[2]))
    assert sides == [
        ("Conv2d", 32), ("MaxPool2d", 16), ("ReLU", 16), ("WithinChannelNorm", 16),
        ("Conv2d", 16), ("ReLU", 16), ("AvgPool2d", 8), ("WithinChannelNorm", 8),
        ("Conv2d", 8), ("ReLU", 8), ("AvgPool2d", 4),
    ]  # fmt: skip
    assert parameter_count(model) == 89_578


# -- how they begin ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AlexNet, CifarNet])
def test_before_a_tanh_the_variance_is_half_of_that_before_a_relu(kind):
    """Of all layers but the last, and with few classes the one before it."""
    deviations = {}
    for activation in ("relu", "tanh"):
        mg.manual_seed(0)
        model = kind(1000, kind.minimum_image_size, activation=activation, width=0.5)
        deviations[activation] = [layer.weight.data.std() for layer in learned_layers(model)]
    ratios = np.divide(deviations["tanh"], deviations["relu"])
    np.testing.assert_allclose(ratios[:-1], math.sqrt(0.5), rtol=1e-5)
    assert ratios[-1] == pytest.approx(1)
    conv2 = learned_layers(model)[1].weight.data
    assert conv2.std() == pytest.approx(1 / math.sqrt(np.prod(conv2.shape[1:])), rel=0.02)


def test_a_layer_that_is_left_out_has_no_width():
    with pytest.raises(ValueError, match="width: there is no layer 'conv3', only conv1, conv2, co"):
        AlexNet(3, 67, width={"default": 0.05, "conv3": 1}, without=["conv3"])


def test_other_biases_stay_as_they_begin():
    for bias_init in (None, 0.25):
        mg.manual_seed(0)
        model = AlexNet(3, 67, init="torch", bias_init=bias_init, width=0.05)
        biases = [layer.bias.numpy() for layer in learned_layers(model)]
        for number, bias in enumerate(biases):
            is_filled = bias_init is not None and number in {1, 3, 4, 5, 6}
            assert (bias == np.float32(0.25)).all() == is_filled
            assert is_filled or bias.any()


@pytest.mark.parametrize("init, bias", [("paper", 1), ("code2012", 0.1), ("default", 0)])
@pytest.mark.parametrize("bias_init", [None, 0.0, 0.25])
def test_biases(init, bias, bias_init):
    for model, positive in (
        (AlexNet(3, 67, init=init, bias_init=bias_init, width=0.05), {1, 3, 4, 5, 6}),
        # conv5 is the fourth layer of this one.
        (
            AlexNet(3, 67, init=init, bias_init=bias_init, width=0.05, without=["conv3"]),
            {1, 2, 3, 4, 5},
        ),
        (CifarNet(3, 12, init=init, bias_init=bias_init), {1, 2}),
    ):
        expected = bias_init
        if bias_init is None:
            # cuda-convnet's files for CIFAR-10 say nothing of biases: they begin with 0.
            expected = 0 if init == "code2012" and isinstance(model, CifarNet) else bias
        for number, layer in enumerate(learned_layers(model)):
            value = np.float32(expected if number in positive else 0)
            np.testing.assert_array_equal(layer.bias.data, value)


def test_weights_of_the_authors_configurations():
    deviations = [0.0001, 0.01, 0.01, 0.01]
    layers = learned_layers(CifarNet(200, init="code2012"))
    for layer, deviation in zip(layers, deviations, strict=True):
        assert layer.weight.data.std() == pytest.approx(deviation, rel=0.05)
    without = AlexNet(200, 67, init="code2012", width=0.25, without=["conv3", "conv4"])
    deviations = [0.01, 0.01, 0.03, 0.01, 0.01, 0.01]  # 0.03: conv5
    for layer, deviation in zip(learned_layers(without), deviations, strict=True):
        assert layer.weight.data.std() == pytest.approx(deviation, rel=0.05)
    for layer in learned_layers(CifarNet(200, init="paper")):
        assert layer.weight.data.std() == pytest.approx(0.01, rel=0.05)


# -- how they are chosen -----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1 / 64, 1 / 255])
@pytest.mark.parametrize(
    "architecture, name",
    [("alexnet", n) for n in ("lrn", "code2012", "caffe")]
    + [("cifar", n) for n in ("lrn", "within")],
)
def test_scaled_input_is_normalized_as_gray_levels_are(architecture, name, scale, rng):
    """norm(s * a) with alpha / s^2 is s * norm(a), and it changes more than the size."""
    kind = ARCHITECTURES[architecture]
    size = kind.minimum_image_size + 8

    def first_layers(scale):
        mg.manual_seed(0)
        chosen = chosen_variants(architecture, {"norm": name, "width": 0.25}, scale)
        model = kind(2, size, **chosen).to(np.float64)
        is_norm = ColumnNorm | WithinChannelNorm | nn.LocalResponseNorm
        names = [n for n, m in enumerate(model.features) if isinstance(m, is_norm)]
        return list(model.features)[: names[0] + 1]

    gray_levels = rng.integers(0, 256, (2, 3, size, size)) - 120.0
    before, after = [], []
    for s in (1.0, scale):
        x = Tensor(gray_levels * s)
        *layers, norm = first_layers(s)
        for layer in layers:
            x = layer(x)
        before.append(x.numpy().copy())
        after.append(norm(x).numpy())
    np.testing.assert_allclose(before[1], scale * before[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after[1], scale * after[0], rtol=1e-9, atol=1e-12)
    gains = after[1][before[1] > 0] / before[1][before[1] > 0]
    assert gains.min() < 0.9 * gains.max(), "each unit is divided by another number"


def test_what_is_chosen():
    assert chosen_variants("alexnet", {}, 1 / 64) == {"norm": {"alpha": 0.4096}}
    assert chosen_variants("alexnet", {"norm": "lrn"}, 1 / 64) == {"norm": {"alpha": 2.048}}
    assert chosen_variants("alexnet", {"norm": "caffe"}, 0.5) == {"norm": {"alpha": 4e-4, "k": 1.0}}
    assert chosen_variants("alexnet", {"norm": "none"}, 0.5) == {"norm": {"kind": "none"}}
    constant = {"norm": "constant", "norm_gain": 0.5}
    for architecture in ("alexnet", "cifar"):
        expected = {"norm": {"kind": "constant", "gain": 0.5}}
        assert chosen_variants(architecture, constant, 1 / 64) == expected
    assert chosen_variants("cifar", {}, 0.1) == {"norm": {"alpha": pytest.approx(5e-3)}}
    assert chosen_variants("owt", {"width": 0.5}, 0.1) == {"width": 0.5}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_a_network_does_anyway_is_not_stored(name):
    kind = ARCHITECTURES[name]
    given = {option: DEFAULTS[option] for option in kind.variants if option != "norm"}
    # That of AlexNet's class is the paper's.
    norm = {"norm": "lrn"} if name == "alexnet" else {}
    assert chosen_variants(name, {**given, **norm}) == {}
    for option, parameter in inspect.signature(kind).parameters.items():
        if option in given:
            assert type(given[option])(parameter.default) == given[option]


@pytest.mark.parametrize(
    "architecture, given, message",
    [
        ("owt", {"norm": "lrn"}, "the network 'owt' has no normalization 'lrn': it has none"),
        ("owt", {"activation": "tanh"}, "the network 'owt' has no variants in 'activation'"),
        ("cifar", {"groups": 1}, "the network 'cifar' has no variants in 'groups'"),
        ("cifar", {"norm": "code2012"}, "'cifar' has no normalization 'code2012': it has within,"),
        ("cifar", {"width": {"default": 1, "fc6": 1}}, "width: there is no layer 'fc6', only conv"),
        ("alexnet", {"norm": "constant"}, "'constant' needs a gain: --norm-gain"),
        ("alexnet", {"norm": "none", "norm_gain": 1.0}, "--norm-gain is for --norm constant"),
        ("alexnet", {"norm_gain": 1.0}, "--norm-gain is for --norm constant"),
    ],
)
def test_what_cannot_be_chosen(architecture, given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        chosen_variants(architecture, given)


@pytest.mark.parametrize(
    "variant, message",
    [
        ({"norm": {"kind": "batch"}}, "norm: kind must be one of across, columns, within, con"),
        ({"norm": {"kind": ["none"]}}, "norm: kind must be one of across"),
        ({"norm": {"kind": "none", "k": 1}}, "norm must have values for some of kind, got"),
        ({"norm": {"kind": "constant"}}, "norm: the kind 'constant' needs a gain"),
        ({"norm": {"kind": "constant", "gain": 0}}, "norm: gain cannot be 0"),
        ({"norm": {"kind": "constant", "gain": math.nan}}, "norm: gain cannot be nan"),
        ({"activation": "selu"}, "activation must be relu or tanh, got 'selu'"),
        ({"groups": 3}, "groups must be 1 or 2, got 3"),
        ({"groups": True}, "groups must be 1 or 2, got True"),
        ({"pooling": ["plain"]}, "pooling must be overlapping or plain, got ['plain']"),
        ({"width": -1}, "width cannot be -1"),
        ({"width": 65}, "width cannot be 65"),
        ({"width": math.nan}, "width cannot be nan"),
        ({"width": "1"}, "width cannot be '1'"),
        ({"width": {"conv5": 1}}, "width needs a number for all other layers"),
        ({"width": {"default": 1, "fc8": 1}}, "width: there is no layer 'fc8'"),
        ({"without": ["conv5"]}, "without must name some of conv3, conv4, got ['conv5']"),
        ({"without": "conv3"}, "without must name some of conv3, conv4, got 'conv3'"),
        ({"without": [["conv3"]]}, "without must name some of conv3, conv4, got [['conv3']]"),
    ],
)
def test_senseless_variants_are_refused(variant, message):
    for attempt in (lambda: require_variant("alexnet", variant), lambda: AlexNet(3, 67, **variant)):
        with pytest.raises(ValueError, match=re.escape(message)):
            attempt()


@pytest.mark.parametrize("size", [4, 33])
def test_a_square_has_a_pixel_in_its_middle(size):
    with pytest.raises(ValueError, match=f"must be odd and at most 31 within channels, got {size}"):
        CifarNet(norm={"size": size})


def test_plain_pooling_gives_maps_of_the_same_size(rng):
    """And where it does not, the nearest size is named at which it does."""
    for size in range(67, 92):
        try:
            plain = AlexNet(2, size, init="torch", pooling="plain", width=0.02)
        except ValueError as error:
            match = re.search(rf"images of {size} pixels .* does not is (\d+)$", str(error))
            nearest = int(match[1])
            assert all(can_be_plain(s) is (s == nearest) for s in between(size, nearest))
            continue
        overlapping = AlexNet(2, size, init="torch", width=0.02)
        images = Tensor(np.zeros((1, 3, size, size), np.float32))
        assert plain.features(images).shape == overlapping.features(images).shape


def between(size, nearest):
    """All sizes that are at least as near, and those on the way."""
    distance = abs(size - nearest)
    return [s for s in range(size - distance + 1, size + distance) if s >= 67] + [nearest]


@functools.cache
def can_be_plain(size):
    try:
        AlexNet(2, size, init="torch", pooling="plain", width=0.02)
    except ValueError:
        return False
    return True


# -- how they are stored -----------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_a_checkpoint_builds_the_network_that_was_saved(name, tmp_path):
    model, saved = variants.build(name), variants.checkpoint(name)
    model.load_state_dict(saved.model)
    saved.save(tmp_path / "network.safetensors")
    loaded = Checkpoint.load(tmp_path / "network.safetensors")
    assert loaded.network == VARIANTS[name].network
    size = VARIANTS[name].image_size
    images = Tensor(np.random.default_rng(1).standard_normal((2, 3, size, size), np.float32))
    built = loaded.build()
    with mg.no_grad():
        assert np.array_equal(built(images).numpy(), model.eval()(images).numpy())
    assert [repr(m) for _, m in built.named_modules()] == [
        repr(m) for _, m in model.named_modules()
    ]


def test_a_checkpoint_without_variants_has_the_old_format():
    _, metadata = variants.checkpoint("cifar").packed()
    assert metadata["format_version"] == "2" and "network" not in metadata
    _, metadata = variants.checkpoint("tanh").packed()
    assert metadata["format_version"] == "3"
