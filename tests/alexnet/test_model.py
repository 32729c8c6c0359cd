"""The networks: shapes, parameters, groups, constants and initial values."""

import math

import numpy as np
import pytest

import minigrad as mg
from alexnet import AlexNet, AlexNetOWT
from alexnet.model import ARCHITECTURES, learned_layers, parameter_count, require_variant
from minigrad import functional as F
from minigrad import nn

SMALLEST = {"alexnet": 67, "owt": 63, "cifar": 12}


def outputs(model, images):
    """What every layer with an effect on the shape makes of the images, in order."""
    shapes = []
    for _, layer in model.named_modules():
        if not list(layer.named_children()):
            images = layer(images)
            shapes.append((type(layer).__name__, images.shape[1:]))
    return shapes


def test_alexnet_has_the_shapes_and_parameters_of_the_paper():
    model = AlexNet(init="torch")
    with mg.no_grad():
        shapes = outputs(model, mg.Tensor(np.zeros((1, 3, 227, 227), np.float32)))
    learned_or_pooled = [s for kind, s in shapes if kind in ("Conv2d", "MaxPool2d", "Linear")]
    assert learned_or_pooled == [
        (96, 55, 55),
        (96, 27, 27),
        (256, 27, 27),
        (256, 13, 13),
        (384, 13, 13),
        (384, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
        (4096,),
        (4096,),
        (1000,),
    ]
    assert [layer.weight.shape for layer in learned_layers(model)] == [
        (96, 3, 11, 11),
        (256, 48, 5, 5),
        (384, 256, 3, 3),
        (384, 192, 3, 3),
        (256, 192, 3, 3),
        (4096, 9216),
        (4096, 4096),
        (1000, 4096),
    ]
    assert parameter_count(model) == 60_965_224


def test_owt_has_the_names_and_parameters_of_torchvision():
    model = AlexNetOWT(init="torch")
    names = [f"features.{i}" for i in (0, 3, 6, 8, 10)] + [f"classifier.{i}" for i in (1, 4, 6)]
    expected = [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]
    assert list(model.state_dict()) == expected
    assert parameter_count(model) == 61_100_840
    with mg.no_grad():
        assert model(mg.Tensor(np.zeros((1, 3, 224, 224), np.float32))).shape == (1, 1000)


def test_the_columns_of_the_paper_meet_in_conv3_and_the_hidden_layers_only():
    model = AlexNet(10, image_size=67, init="torch", width=0.1)
    groups = [layer.groups for layer in learned_layers(model) if isinstance(layer, nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]


def test_normalization_and_dropout_have_the_constants_of_the_paper():
    layers = [layer for _, layer in AlexNet(2, image_size=67, width=0.1).named_modules()]
    norms = [layer for layer in layers if isinstance(layer, nn.LocalResponseNorm)]
    # alpha / size multiplies the sum of squares, as the paper's 1e-4 does.
    constants = [(n.size, n.alpha / n.size, n.beta, n.k) for n in norms]
    assert constants == [(5, pytest.approx(1e-4), 0.75, 2.0)] * 2
    kinds = [type(layer).__name__ for layer in layers if not list(layer.named_children())]
    assert kinds[:4] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds[15:] == ["Flatten", *["Linear", "ReLU", "Dropout"] * 2, "Linear"]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("pool_before_norm", [False, True])
def test_normalization_of_other_constants_before_or_after_pooling(pool_before_norm, rng):
    norm = {"size": 3, "alpha": 0.5, "beta": 0.6, "k": 1.0}
    model = AlexNet(3, 67, width=0.1, norm=norm, pool_before_norm=pool_before_norm)
    images = mg.Tensor(rng.standard_normal((2, 3, 67, 67)).astype(np.float32))
    conv1, conv2 = (model.features[index] for index in (0, 4))
    x = F.relu(F.conv2d(images, conv1.weight, conv1.bias, stride=4))
    if pool_before_norm:
        x = F.local_response_norm(F.max_pool2d(x, 3, 2), **norm)
    else:
        x = F.max_pool2d(F.local_response_norm(x, **norm), 3, 2)
    x = F.relu(F.conv2d(x, conv2.weight, conv2.bias, padding=2, groups=2))
    with mg.no_grad():
        computed = images
        for layer in list(model.features)[:6]:
            computed = layer(computed)
        np.testing.assert_allclose(computed.numpy(), x.numpy(), rtol=1e-5, atol=1e-7)
        fused = model.features(images).numpy()
        for layer in list(model.features)[6:]:
            computed = layer(computed)
        np.testing.assert_array_equal(fused, computed.numpy())


def test_variants_have_the_same_parameters():
    plain = AlexNet(3, 67, width=0.1)
    other = AlexNet(3, 67, width=0.1, norm={"k": 1}, pool_before_norm=True)
    assert list(other.state_dict()) == list(plain.state_dict())
    norms = [m for _, m in other.named_modules() if isinstance(m, nn.LocalResponseNorm)]
    # What is not given is the paper's.
    assert [(n.size, n.alpha, n.beta, n.k) for n in norms] == [(5, 5e-4, 0.75, 1)] * 2


@pytest.mark.parametrize(
    "variant, message",
    [
        ({"norm": {"k": 0.0}}, "norm: k cannot be 0.0"),
        ({"norm": {"k": math.nan}}, "norm: k cannot be nan"),
        ({"norm": {"k": True}}, "norm: k cannot be True"),
        ({"norm": {"alpha": -1e-4}}, "norm: alpha cannot be -0.0001"),
        ({"norm": {"beta": math.inf}}, "norm: beta cannot be inf"),
        ({"norm": {"size": 5.0}}, "norm: size cannot be 5.0"),
        ({"norm": {"size": 10**400}}, "norm: size cannot be 1000"),
        ({"norm": {"size": 0}}, "norm: size cannot be 0"),
        (
            {"norm": {"gamma": 1.0}},
            "norm must have values for some of kind, size, alpha, beta, k, got",
        ),
        ({"norm": 2.0}, "norm must have values for some of kind, size, alpha, beta, k, got 2.0"),
        ({"pool_before_norm": 1}, "pool_before_norm must be True or False, got 1"),
    ],
)
def test_senseless_variants_are_refused(variant, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(3, 67, width=0.1, **variant)
    with pytest.raises(ValueError, match=message):
        require_variant("alexnet", variant)


def test_a_variant_belongs_to_its_architecture():
    for name, variant in (("owt", {"norm": {}}), ("alexnet", {"depth": 9}), ("vgg", {"k": 1})):
        with pytest.raises(ValueError, match=f"'{name}' has no variants in"):
            require_variant(name, variant)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("num_classes", [2, 7])
def test_any_number_of_classes_at_the_smallest_image(name, num_classes):
    model = ARCHITECTURES[name](num_classes, SMALLEST[name], width=0.05)
    size = SMALLEST[name]
    assert model(mg.Tensor(np.zeros((3, 3, size, size), np.float32))).shape == (3, num_classes)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_cannot_be_built_is_refused(name):
    build, smallest = ARCHITECTURES[name], SMALLEST[name]
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        build(1)
    with pytest.raises(ValueError, match=f"image_size must be at least {smallest}, got"):
        build(10, smallest - 1)
    with pytest.raises(ValueError, match="unknown init 'best': expected one of default, paper"):
        build(10, smallest, init="best", width=0.05)


@pytest.mark.parametrize(
    "init, deviations, biases",
    [
        ("paper", [0.01] * 8, [0, 1, 0, 1, 1, 1, 1, 0]),
        (
            "code2012",
            [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01],
            [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0],
        ),
    ],
)
def test_initial_values_of_the_paper(init, deviations, biases):
    layers = learned_layers(AlexNet(200, image_size=67, init=init, width=0.25))
    for layer, deviation, bias in zip(layers, deviations, biases, strict=True):
        weight = layer.weight.data
        assert weight.std() == pytest.approx(deviation, rel=0.05)
        assert abs(weight.mean()) < 5 * deviation / math.sqrt(weight.size)
        np.testing.assert_array_equal(layer.bias.data, np.float32(bias))


@pytest.mark.parametrize("num_classes", [2, 10, 1000])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_training_starts_at_the_loss_of_guessing_and_moves(name, num_classes, rng):
    """And what the last layer gives depends on the image, which is what it learns from."""
    size = {**SMALLEST, "cifar": 32}[name]  # smaller, it has too few inputs to the last layer
    model = ARCHITECTURES[name](num_classes, size, width=0.25)
    shape = 32, 3, size, size
    images = mg.Tensor(rng.standard_normal(shape).astype(np.float32))
    scores = model(images)
    loss = F.cross_entropy(scores, rng.integers(0, num_classes, 32))
    assert loss.item() == pytest.approx(math.log(num_classes), abs=0.05)
    assert scores.data.std(axis=0).mean() > 1e-3
    loss.backward()
    for parameter in model.parameters():
        assert np.isfinite(parameter.grad.data).all() and parameter.grad.data.any()
