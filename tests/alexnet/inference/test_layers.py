"""Named layers, their activations, and the features of a set."""

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader
from alexnet.data.transforms import Preprocessing
from alexnet.errors import BadImage, DivergedNetwork
from alexnet.inference import layers
from alexnet.inference.features import features
from alexnet.model import AlexNet, AlexNetOWT, CifarNet
from minigrad import Tensor, backend, nn, no_grad
from minigrad import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = backend.get("cpu")


class PoolBeforeNorm(AlexNet):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, pool_before_norm=True)


class WithoutConv3(AlexNet):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, without=["conv3"], norm={"kind": "columns"})


NAMES = {
    AlexNet: "conv1 norm1 pool1 conv2 norm2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8",
    PoolBeforeNorm: "conv1 pool1 norm1 conv2 pool2 norm2 conv3 conv4 conv5 pool5 fc6 fc7 fc8",
    WithoutConv3: "conv1 norm1 pool1 conv2 norm2 pool2 conv4 conv5 pool5 fc6 fc7 fc8",
    AlexNetOWT: "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8",
}


LAYERS = {
    AlexNet: """
        conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5
        flatten5 fc6 relu6 drop6 fc7 relu7 drop7 fc8
    """,
    PoolBeforeNorm: """
        conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 relu5 pool5
        flatten5 fc6 relu6 drop6 fc7 relu7 drop7 fc8
    """,
    WithoutConv3: """
        conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv4 relu4 conv5 relu5 pool5
        flatten5 fc6 relu6 drop6 fc7 relu7 drop7 fc8
    """,
    AlexNetOWT: """
        conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5
        avgpool5 flatten5 drop5 fc6 relu6 drop6 fc7 relu7 fc8
    """,
}


class Images:
    """Random images; some of them damaged."""

    classes = ["a", "b"]

    def __init__(self, count, damaged=()):
        self.labels = np.arange(count) % 2
        self.damaged = damaged

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        if index in self.damaged:
            raise BadImage(f"image {index}: damaged")
        return np.random.default_rng(index).integers(0, 256, (80, 90, 3), np.uint8)

    def name(self, index):
        return f"image {index}"


@pytest.fixture(params=NAMES, ids=lambda kind: kind.__name__)
def model(request):
    # Dropout is on: what is computed has to turn it off.
    return request.param(3, 67, dropout=0.5, width=0.1).train()


@pytest.fixture
def images(rng):
    return Tensor(rng.standard_normal((4, 3, 67, 67)).astype(np.float32))


def test_names_are_those_of_the_paper(model):
    assert " ".join(layers.stages(model)) == NAMES[type(model)]
    assert list(layers.named_layers(model)) == LAYERS[type(model)].split()


def test_no_layer_of_another_network_is_lost():
    twice = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.ReLU(), nn.ReLU()))
    named = layers.named_layers(twice)
    assert list(named) == ["fc1", "relu1", "relu1_2", "relu1_3"]
    assert list(named.values()) == [twice[0], twice[1], *twice[2]]


def test_every_layer_has_the_numbers_it_has_in_the_network(model, images):
    found = layers.activations(model, images, list(layers.stages(model)))
    assert list(found) == NAMES[type(model)].split()
    with no_grad():
        np.testing.assert_array_equal(found["fc8"], model(images).numpy())
        for name in found:
            np.testing.assert_array_equal(
                layers.up_to(model, name)(images).numpy(), found[name], err_msg=name
            )
        conv1 = model.features[0]
        expected = F.relu(F.conv2d(images, conv1.weight, conv1.bias, 4, conv1.padding)).numpy()
        fc8 = model.classifier[-1]
        np.testing.assert_allclose(
            found["fc7"] @ fc8.weight.numpy().T + fc8.bias.numpy(), found["fc8"], atol=1e-5
        )
    np.testing.assert_allclose(found["conv1"], expected, atol=1e-5)
    for name, output in found.items():
        if name != "fc8":
            assert (output >= 0).all() and output.any(), name


def test_layers_of_the_small_network(images):
    """Its first ReLU follows the pooling, and belongs to it."""
    model = CifarNet(3, 67, activation="tanh").eval()
    names = "conv1 pool1 norm1 conv2 pool2 norm2 conv3 pool3 fc4"
    assert " ".join(layers.stages(model)) == names
    assert " ".join(layers.named_layers(model)) == (
        "conv1 pool1 tanh1 norm1 conv2 tanh2 pool2 norm2 conv3 tanh3 pool3 flatten3 drop3 fc4"
    )
    found = layers.activations(model, images, names.split())
    with no_grad():
        np.testing.assert_array_equal(found["fc4"], model(images).numpy())
        conv1 = model.features[0](images)
        np.testing.assert_array_equal(found["conv1"], conv1.numpy())
        np.testing.assert_array_equal(found["pool1"], F.tanh(model.features[1](conv1)).numpy())


def test_the_last_hidden_layer_is_that_of_the_features(model, images):
    assert layers.last_hidden(model) == "fc7"
    assert layers.last_hidden(CifarNet(2)) == "pool3"


@pytest.mark.parametrize(
    "kind, options, expected",
    [
        (AlexNet, {}, [2, 2, 2, 2, 2]),
        (AlexNet, {"groups": 1}, [1, 1, 1, 1, 1]),
        # conv2's channels are those that conv4 takes in two groups.
        (AlexNet, {"without": ["conv3"]}, [2, 2, 2, 2]),
        (AlexNet, {"without": ["conv4"]}, [2, 2, 2, 2]),
        (CifarNet, {}, [1, 1, 1]),
    ],
)
def test_columns(kind, options, expected):
    model = kind(2, 67, init="torch", width=0.1, **options)
    assert [layers.columns(model, name) for name in layers.convolutions(model)] == expected


def test_an_unknown_layer(model):
    with pytest.raises(ValueError, match="no layer 'fc9'; it has conv1,"):
        layers.up_to(model, "fc9")


def test_features_of_a_set_are_those_of_each_image(model):
    preprocessing = Preprocessing(image_size=67, mean=(120, 110, 100), scale=1 / 58)
    dataset = Images(7, damaged=[2])

    def batches(batch_size):
        skipping = Skipping(dataset, BadImages(skip=True, limit=1))
        return Loader(skipping, preprocessing, batch_size, workers=0).batches(0)

    found = features(model, batches(3), 7, CPU)
    assert found.indices.tolist() == [0, 1, 3, 4, 5, 6]
    assert found.labels.tolist() == [0, 1, 1, 0, 1, 0]
    for batch in batches(7):
        expected = layers.activations(model, Tensor(batch.prepare(CPU)), ["fc7"])["fc7"]
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    assert found.values.std(axis=0).max() > 0
    maps = features(model, batches(3), 7, CPU, "pool5").values
    expected = layers.activations(model, Tensor(batch.prepare(CPU)), ["pool5"])["pool5"]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_diverged(model):
    next(model.parameters()).data[0] = np.nan
    loader = Loader(Images(2), Preprocessing(image_size=67, mean=(0, 0, 0)), 2, workers=0)
    with pytest.raises(DivergedNetwork, match="fc7 that are not finite"):
        features(model, loader.batches(0), 2, CPU)
