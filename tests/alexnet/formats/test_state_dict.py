"""Parameters by name: which network they are, and what is said where they are none."""

from pathlib import Path

import numpy as np
import pytest

from alexnet.data import labels
from alexnet.errors import CheckpointError
from alexnet.formats import state_dict
from alexnet.formats.given import Given
from alexnet.model import CifarNet
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT

pytestmark = pytest.mark.usefixtures("narrow")
PATH = Path("some.file")
NOTHING, GRAY = Given(), Given(mean=(120, 110, 100), std=(60, 50, 40))


def parameters(network, classes=5, size=None):
    return network(classes, size or network.default_image_size).state_dict()


@pytest.fixture(scope="module")
def owt():
    return parameters(NarrowOWT)


@pytest.fixture(scope="module")
def paper():
    return parameters(NarrowAlexNet)


def refusal(arrays, given=NOTHING):
    with pytest.raises(CheckpointError) as refused:
        state_dict.checkpoint(PATH, arrays, given)
    message = str(refused.value)
    assert message.startswith(f"{PATH}") and "\n" not in message
    return message.removeprefix(f"{PATH}").removeprefix(": ")


def test_torchvisions_network_and_preprocessing(owt):
    found = state_dict.checkpoint(PATH, owt, Given())
    assert (found.architecture, found.classes) == ("owt", [f"class {i}" for i in range(5)])
    with pytest.raises(CheckpointError, match="alexnet.convert --classes FILE names the classes$"):
        found.require("owt", list("abcde"))
    assert list(found.model) == list(owt)
    assert all(found.model[name] is owt[name] for name in owt)
    preprocessing = found.preprocessing
    assert (preprocessing.image_size, preprocessing.resize) == (224, 256)
    # As transforms.ToTensor and transforms.Normalize compute it.
    pixel = np.array([0, 128, 255])
    expected = (pixel / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    ours = (pixel - preprocessing.mean) * preprocessing.scale
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    vectors = np.array(preprocessing.eigenvectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)
    assert preprocessing.standard_deviations == pytest.approx((118.9, 35.0, 17.1), abs=0.1)


def test_paper_network_needs_its_preprocessing(paper):
    assert refusal(paper) == (
        " does not say how images become the input of the paper's AlexNet: give --mean R,G,B and "
        "--std R,G,B, in gray levels of 0 to 255"
    )
    found = state_dict.checkpoint(PATH, paper, GRAY)
    assert found.architecture == "alexnet"
    assert (found.preprocessing.image_size, found.preprocessing.resize) == (227, 256)
    assert found.preprocessing.mean == (120, 110, 100)
    assert found.preprocessing.scale == (1 / 60, 1 / 50, 1 / 40)
    only_mean = state_dict.checkpoint(PATH, paper, Given(mean=(120, 110, 100)))
    assert only_mean.preprocessing.scale == 1


def test_given_preprocessing(owt):
    given = Given(image_size=112, std=(51, 51, 51), classes=list("abcde"))
    found = state_dict.checkpoint(PATH, owt, given)
    assert (found.preprocessing.image_size, found.preprocessing.resize) == (112, 128)
    assert found.preprocessing.scale == (1 / 51, 1 / 51, 1 / 51)
    assert found.preprocessing.mean == pytest.approx((123.675, 116.28, 103.53))
    assert found.classes == list("abcde")
    assert "image_size must be at least 63, got 62" in refusal(owt, Given(image_size=62))
    assert " has 5 classes, and 3 names are given" in refusal(owt, Given(classes=list("abc")))
    mean_image = Given(mean_image=Path("mean.binaryproto"))
    assert "a mean image goes with a .caffemodel only" in refusal(owt, mean_image)


def test_thousand_classes_are_those_of_imagenet():
    found = state_dict.checkpoint(PATH, parameters(NarrowOWT, 1000), Given())
    assert found.classes == list(labels.words()) == sorted(labels.words())


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_parameters_become_float32(owt, dtype):
    arrays = {name: array.astype(dtype) for name, array in owt.items()}
    arrays["features.1.num_batches_tracked"] = np.array(3)
    found = state_dict.checkpoint(PATH, arrays, Given())
    for name, array in found.model.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, arrays[name].astype(np.float32))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_prefixes_of_wrappers(owt, prefix):
    arrays = {f"{prefix}{name}": array for name, array in owt.items()}
    assert list(state_dict.checkpoint(PATH, arrays, Given()).model) == list(owt)


def test_order_of_the_file_does_not_matter(owt):
    arrays = dict(reversed(owt.items()))
    assert list(state_dict.checkpoint(PATH, arrays, Given()).model) == list(owt)


def test_map_of_names(owt):
    theirs = {name: f"conv{i}" for i, name in enumerate(owt)}
    arrays = {theirs[name]: array for name, array in owt.items()}
    names = {their: our for our, their in theirs.items()}
    found = state_dict.checkpoint(PATH, arrays, Given(names=names))
    assert all(np.array_equal(found.model[name], owt[name]) for name in owt)
    unknown = Given(names=names | {"fc9": "classifier.9.bias"})
    assert refusal(arrays, unknown) == (
        " has no parameter 'fc9', which the map of names has; it has conv0, conv1, conv2, 13 more"
    )
    twice = Given(names=names | {"conv1": "features.0.weight"})
    assert refusal(arrays, twice) == (
        "the map of names makes 'features.0.weight' of two parameters"
    )


def test_what_does_not_fit_is_named(owt):
    arrays = dict(owt)
    del arrays["features.3.bias"]
    arrays["features.9.weight"] = np.ones(3, np.float32)
    arrays["features.0.weight"] = np.ones((8, 1, 11, 11), np.float32)
    assert refusal(arrays) == (
        " does not fit torchvision's AlexNet for 224x224 pixels: it lacks features.3.bias (20); "
        "the network has no features.9.weight; features.0.weight is 8x1x11x11, expected 8x3x11x11"
    )
    assert "it lacks classifier.6.bias (1000)" in refusal(
        {name: array for name, array in owt.items() if name != "classifier.6.bias"}
    )


def test_paper_network_for_images_of_another_size(paper):
    arrays = parameters(NarrowAlexNet, size=99)
    assert refusal(arrays, GRAY) == (
        " does not fit the paper's AlexNet for 227x227 pixels: classifier.1.weight is 410x104, "
        "expected 410x936"
    )
    given = Given(mean=GRAY.mean, std=GRAY.std, image_size=99)
    assert state_dict.checkpoint(PATH, arrays, given).preprocessing.image_size == 99


def test_the_small_network_is_recognized_and_takes_no_other_file():
    arrays = CifarNet(10).state_dict()
    assert refusal(arrays).startswith(
        " does not say how images become the input of cuda-convnet's network for CIFAR-10: give"
    )
    found = state_dict.checkpoint(PATH, arrays, GRAY)
    assert (found.architecture, len(found.classes)) == ("cifar", 10)
    assert found.preprocessing.image_size == 32
    assert all(np.array_equal(found.build().state_dict()[name], arrays[name]) for name in arrays)
    # Two layers of AlexNet are two of the small network, too.
    few = {
        name: array for name, array in arrays.items() if name[:10] in ("features.0", "features.4")
    }
    assert "of the 16 parameters of the paper's AlexNet" in refusal(few)
    del arrays["features.0.bias"]
    assert "does not fit cuda-convnet's network for CIFAR-10 for 32x32 pixels: it lacks" in refusal(
        arrays, GRAY
    )


def test_network_of_another_kind_is_no_alexnet():
    """The names of a ResNet's first layers."""
    arrays = {f"layer{i}.0.conv1.weight": np.ones((2, 2, 3, 3), np.float32) for i in range(4)}
    arrays |= {"fc.weight": np.ones((5, 2), np.float32), "features.0.weight": np.ones(3)}
    assert refusal(arrays) == (
        " holds no AlexNet: of the 16 parameters of the paper's AlexNet, features.0.weight, "
        "features.0.bias, features.4.weight, 13 more, it has 0; it has layer0.0.conv1.weight, "
        "layer1.0.conv1.weight, layer2.0.conv1.weight, 3 more; if only the names differ, give a "
        "map of names"
    )
    assert "it has 0; it has none" in refusal({})
    assert "num_classes must be at least 2, got 1" in refusal(
        parameters(NarrowOWT, 2) | {"classifier.6.bias": np.ones(1, np.float32)}
    )


def test_what_is_given_of_a_checkpoint_that_says_everything(owt):
    found = state_dict.checkpoint(PATH, owt, Given())
    changed = state_dict.overridden(PATH, found, Given(classes=list("abcde"), mean=(1, 2, 3)))
    assert changed.classes == list("abcde")
    assert (changed.preprocessing.mean, changed.preprocessing.scale) == ((1, 2, 3), 1)
    assert changed.model is found.model
    with pytest.raises(CheckpointError, match="there is nothing to map"):
        state_dict.overridden(PATH, found, Given(names={"a": "b"}))
    paper = state_dict.checkpoint(PATH, parameters(NarrowAlexNet), GRAY)
    with pytest.raises(CheckpointError, match="does not fit the paper's AlexNet for 99x99 pixels"):
        state_dict.overridden(PATH, paper, Given(image_size=99))
