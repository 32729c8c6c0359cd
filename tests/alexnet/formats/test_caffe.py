"""Files of Caffe: everything that they hold arrives, layer by layer; other files are refused."""

import sys

import numpy as np
import pytest

from alexnet.data import labels
from alexnet.errors import CheckpointError
from alexnet.formats import caffe, caffe_formulas, caffe_messages
from alexnet.formats.given import Given
from alexnet.formats.load import load
from alexnet.inference import layers
from alexnet.model import ARCHITECTURES
from minigrad import Tensor
from tests.alexnet.formats import caffe_files
from tests.alexnet.formats.caffe_files import SIZE, field, message
from tests.alexnet.narrow import NarrowAlexNet
from tests.stress import fuzz_data
from tests.stress.fuzz_kinds import KINDS

pytestmark = pytest.mark.usefixtures("one_thread", "narrow_alexnet")
MEAN = (123.0, 117.0, 104.0)


@pytest.fixture
def narrow_alexnet(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)


@pytest.fixture
def parameters(rng):
    return caffe_files.random_parameters(rng)


@pytest.fixture
def images(rng):
    """With colors that differ, so that their order matters."""
    return (rng.integers(0, 156, (2, SIZE, SIZE, 3)) + [100, 50, 0]).astype(np.uint8)


@pytest.fixture
def write(tmp_path, parameters):
    """Writes a net with the parameters, and returns its path."""

    def write_net(*arguments, **options):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(caffe_files.net(*arguments or [parameters], **options))
        return path

    return write_net


def prepared(checkpoint, images):
    """As `prepare_images` computes it, in float64."""
    preprocessing = checkpoint.preprocessing
    pixels = images.transpose(0, 3, 1, 2).astype(np.float64)
    mean = preprocessing.mean_image
    mean = np.reshape(preprocessing.mean, (3, 1, 1)) if mean is None else mean
    return ((pixels - mean) * np.reshape(preprocessing.scale, (-1, 1, 1))).astype(np.float32)


def assert_same_layers(path, checkpoint, images, given=None):
    """Every layer of the file gives what its layer here gives, by the same name."""
    ours = {
        name: output.numpy().copy()
        for name, _, output in layers.outputs(checkpoint.build(), prepared(checkpoint, images))
    }
    compared = []
    for layer, expected in caffe_formulas.outputs(path, images, given):
        found = ours[layer.name]
        assert found.shape == expected.shape, layer.name
        np.testing.assert_allclose(
            found, expected, atol=1e-5 * np.abs(expected).max(), err_msg=layer.name
        )
        assert expected.std() > 0, layer.name
        compared.append(layer.name)
    assert compared == [name for name in ours if not name.startswith("flatten")]


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize("pool_first", [False, True], ids=["bvlc_alexnet", "CaffeNet"])
def test_every_layer_arrives(write, images, old, pool_first):
    path = write(old=old, pool_first=pool_first)
    checkpoint = caffe.load(path)
    norm = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
    order = {"pool_before_norm": True} if pool_first else {}
    assert checkpoint.network == {"norm": norm, **order}
    assert checkpoint.classes == ["class 0", "class 1", "class 2"]
    assert_same_layers(path, checkpoint, images)
    scores = checkpoint.build()(Tensor(prepared(checkpoint, images))).numpy()
    np.testing.assert_allclose(caffe_formulas.logits(path, images), scores, rtol=1e-4, atol=1e-5)


def test_parameters_are_those_of_the_file(write, parameters):
    model = caffe.load(write()).model
    names = [f"features.{i}" for i in (0, 4, 8, 10, 12)] + [f"classifier.{i}" for i in (1, 4, 7)]
    assert list(model) == [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]
    for name, (weight, bias) in zip(names, parameters.values(), strict=True):
        expected = weight[:, ::-1] if name == "features.0" else weight
        np.testing.assert_array_equal(model[f"{name}.weight"], expected)
        np.testing.assert_array_equal(model[f"{name}.bias"], bias)
        assert model[f"{name}.weight"].flags.writeable


def test_constants_of_the_normalization_matter(write, images):
    """A large alpha, an unusual k, beta and size: each changes every later layer."""
    lrn = message((1, 3), (2, 0.7), (3, 0.6), (5, 2.5))
    path = write(lrn=lrn)
    checkpoint = caffe.load(path)
    assert checkpoint.network == {"norm": {"size": 3, "alpha": 0.7, "beta": 0.6, "k": 2.5}}
    assert_same_layers(path, checkpoint, images)


def test_the_constants_of_the_paper_make_the_plain_network(write):
    assert caffe.load(write(lrn=message((2, 5e-4), (5, 2.0)))).network == {}


def test_double_precision_is_read_as_float32(write, parameters):
    model = caffe.load(write(double=True)).model
    np.testing.assert_array_equal(model["features.4.weight"], parameters["conv2"][0])


def test_arrays_in_several_parts(tmp_path, write):
    """Protobuf allows packed numbers to come in any number of pieces."""
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    packed = array.tobytes()
    content = field(5, packed[:8]) + field(5, packed[8:]) + field(7, field(1, b"\x02\x03"))
    (tmp_path / "mean").write_bytes(content)
    np.testing.assert_array_equal(caffe_messages.read_blob(tmp_path / "mean"), array)
    (tmp_path / "mean").write_bytes(field(5, b"") * 2000 + content)
    with pytest.raises(CheckpointError, match="its array is in more than 1,000 parts"):
        caffe_messages.read_blob(tmp_path / "mean")


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
def test_what_the_layer_of_data_says(write, images, old, capsys):
    data = message((1, 0.1), (3, SIZE), (5, 30.0), (5, 20.5), (5, 10.0))
    path = write(data=data, old=old)
    checkpoint = caffe.load(path)
    preprocessing = checkpoint.preprocessing
    assert preprocessing.image_size == SIZE
    assert (preprocessing.mean, preprocessing.scale) == ((10.0, 20.5, 30.0), 0.1)
    assert preprocessing.standard_deviations[0] == pytest.approx(118.9, abs=0.1)
    assert_same_layers(path, checkpoint, images)
    assert capsys.readouterr().err == ""
    assert caffe.load(write(data=message((3, SIZE), (5, 7.0)))).preprocessing.mean == (7, 7, 7)


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
def test_a_layer_of_data_from_before_there_were_transforms(write, images, old):
    """It says the same in fields of its own."""
    layer = caffe_files.layer(old, "data", "Data", "", "data", message((2, 0.5), (5, SIZE)))
    path = write(old=old)
    path.write_bytes(path.read_bytes() + layer)
    checkpoint = caffe.load(path)
    assert (checkpoint.preprocessing.scale, checkpoint.preprocessing.image_size) == (0.5, SIZE)
    assert_same_layers(path, checkpoint, images)


def test_without_a_mean_that_of_imagenet_is_taken_and_said(write, images, capsys):
    path = write(data=message((3, SIZE), (4, "data/mean.binaryproto")))
    checkpoint = caffe.load(path)
    assert checkpoint.preprocessing.mean == MEAN
    assert checkpoint.preprocessing.scale == 1
    said = capsys.readouterr().err
    assert "has no mean image, data/mean.binaryproto, in it: ImageNet's mean color is taken" in said
    assert "red 123, green 117, blue 104" in said
    assert_same_layers(path, checkpoint, images)


def test_a_mean_image_is_cropped_and_its_colors_reversed(write, images, rng, tmp_path, capsys):
    mean = rng.uniform(0, 255, (3, 112, 112)).astype(np.float32)
    (tmp_path / "mean.binaryproto").write_bytes(caffe_files.mean_image(mean))
    given = Given(mean_image=tmp_path / "mean.binaryproto")
    path = write()
    checkpoint = caffe.load(path, given)
    preprocessing = checkpoint.preprocessing
    np.testing.assert_array_equal(preprocessing.mean_image, mean[::-1, 6:105, 6:105])
    np.testing.assert_allclose(preprocessing.mean, mean[::-1, 6:105, 6:105].mean((1, 2)), rtol=1e-5)
    assert preprocessing.resize == 112
    assert capsys.readouterr().err == ""
    assert_same_layers(path, checkpoint, images, given)


def test_what_is_given_goes_before_what_the_file_says(write, images):
    path = write(data=message((1, 0.1), (3, 227), (5, 7.0)))
    given = Given(
        classes=["a", "b", "c"], image_size=SIZE, mean=(1.0, 2.0, 3.0), std=(50.0, 60.0, 70.0)
    )
    checkpoint = caffe.load(path, given)
    assert checkpoint.classes == ["a", "b", "c"]
    assert checkpoint.preprocessing.mean == (1.0, 2.0, 3.0)
    assert checkpoint.preprocessing.scale == (1 / 50, 1 / 60, 1 / 70)
    assert_same_layers(path, checkpoint, images, given)
    with pytest.raises(CheckpointError, match="has 3 classes, and 2 names are given"):
        caffe.load(path, Given(classes=["a", "b"]))
    with pytest.raises(CheckpointError, match="a map of names does not go with a .caffemodel"):
        caffe.load(path, Given(names={"conv1": "features.0.weight"}))


def test_a_thousand_classes_are_those_of_imagenet(write, rng):
    checkpoint = caffe.load(write(caffe_files.random_parameters(rng, classes=1000)))
    assert checkpoint.classes == list(labels.words())
    assert checkpoint.classes[0] == "n01440764"


def test_splits_and_layers_of_data_are_no_part_of_the_chain(write, images):
    def edit(layers):
        layers[0][2] = "data_split_0"
        layers.insert(0, ["split", "Split", "data", "data_split_0 data_split_1", b"", ()])
        fc8 = next(index for index, layer in enumerate(layers) if layer[0] == "fc8")
        layers.insert(fc8 + 1, ["fc8_split", "Split", "fc8", "fc8_split_0 fc8_split_1", b"", ()])
        layers[-1][2] = "fc8_split_1"

    for old in (False, True):
        path = write(edit=edit, old=old)
        scores = caffe.load(path).build()(Tensor(prepared(caffe.load(path), images))).numpy()
        np.testing.assert_allclose(
            caffe_formulas.logits(path, images), scores, rtol=1e-4, atol=1e-5
        )


def assert_refused(path, expected, given=None):
    with pytest.raises(CheckpointError) as raised:
        caffe.load(path, given)
    text = str(raised.value)
    assert expected in text
    assert "\n" not in text and len(text) < 500


def changed(name, index, value):
    """An edit of one entry of a layer: its kind, bottom, top, parameters or blobs."""

    def edit(layers):
        next(layer for layer in layers if layer[0] == name)[index] = value

    return edit


def insert(index, *layer):
    def edit(layers):
        layers.insert(index, [*layer, b"", ()])

    return edit


def without(*names):
    def edit(layers):
        gone = [layer for layer in layers if layer[0] in names]
        for layer in gone:
            layers.remove(layer)
            for other in layers:
                if other[2] == layer[3] and layer[2] != layer[3]:
                    other[2] = layer[2]

    return edit


CONV2 = (1, 26), (3, 2), (4, 5), (6, 1)


@pytest.mark.parametrize(
    "edit, expected",
    [
        (without("conv1", "relu1"), "layer 1 is LRN ('norm1'), expected Convolution"),
        (without("relu3"), "layer 10 is Convolution ('conv4'), expected ReLU"),
        (without("fc8"), "is no AlexNet: 'relu7' is its last layer"),
        (without("norm2"), "layer 7 is Pooling ('pool2'), expected LRN"),
        (without("norm1", "norm2"), "its normalizations are not two of one kind"),
        (changed("conv2", 4, message(*CONV2)), "groups of 'conv2' is 1, expected 2"),
        (
            changed("conv2", 4, message(*CONV2, (5, 2), (18, 2))),
            "dilation of 'conv2' is [2], expected [1]",
        ),
        (
            changed("conv2", 4, message((1, 26), (4, 5), (5, 2))),
            "padding of 'conv2' is (0, 0), expected (2, 2)",
        ),
        (
            changed("conv1", 4, message((1, 10), (4, 11), (13, 4), (14, 2))),
            "stride of 'conv1' is (4, 2), expected (4, 4)",
        ),
        (changed("pool1", 4, message((1, 1), (2, 3), (3, 2))), "kind of pooling of 'pool1' is 1"),
        (changed("pool1", 4, message((2, 2), (3, 2))), "kernel_size of 'pool1' is (2, 2)"),
        (changed("norm2", 4, message((2, 1e-4), (4, 1))), "across an odd number"),
        (changed("norm1", 4, message((1, 4), (2, 1e-4))), "its normalizations are not two of one"),
        (insert(0, "power", "Power", "data", "conv1"), "its layer 'power' is of the kind 'Power'"),
        (insert(-1, "fc9", "ReLU", "fc8", "relu8"), "is no AlexNet: 'fc9' is its last layer"),
        (insert(4, "side", "Concat", "pool1", "side"), "layer 'side' is of the kind 'Concat'"),
        (changed("norm2", 4, message((2, 2e-4))), "its normalizations are not two of one kind"),
        (changed("fc6", 4, field(6, 1)), "transpose of 'fc6' is True, expected False"),
        (changed("fc7", 5, ()), "number of blobs of 'fc7' is 0, expected 2"),
        (changed("relu3", 4, field(1, 0.1)), "slope of 'relu3' is 0.1"),
        (changed("relu3", 1, "TanH"), "its layer 'relu3' is of the kind 'TanH'"),
        (changed("relu3", 1, "Ta\nH" * 999), "its layer 'relu3' is of the kind 'Ta\\nHTa"),
        (changed("conv1", slice(0, 2), ["co\nnv" * 999, "ReLU"]), "layer 1 is ReLU ('co\\nnvco"),
        (changed("conv3", 2, "po\nol" * 999), "'conv3' takes 'po\\nolpo"),
        (changed("conv3", 2, "pool1"), "its layers are no chain, 'conv3' takes 'pool1'"),
        (
            changed("conv3", 5, (np.zeros((38, 26, 3, 2)), np.zeros(38))),
            "shape of the weight of 'conv3' is 38x26x3x2, expected 38x26x3x3",
        ),
        (changed("fc8", 5, (np.zeros((3, 9)), np.zeros(3))), "is 3x9, expected 3x410"),
        (changed("fc8", 5, (np.zeros((1, 410)), np.zeros(1))), "num_classes must be at least 2"),
        (changed("fc8", 5, (np.zeros(9), np.zeros(3))), "'fc8' is its last layer"),
    ],
)
def test_other_networks_are_refused(write, edit, expected):
    assert_refused(write(edit=edit), expected)


def test_senseless_numbers_are_refused(write, tmp_path):
    assert_refused(write(lrn=message((5, 0.0))), "norm: k cannot be 0.0")
    assert_refused(write(lrn=message((1, 4))), "across an odd number of channels")
    assert_refused(write(lrn=message((1, 2**32 - 1))), "norm: size cannot be 4294967295")
    deploy = write().read_bytes()
    declared = b"".join(field(4, number) for number in (10, 3, SIZE, SIZE))
    for shape, expected in (
        ((10, 3, SIZE, 131), "it takes 10x3x99x131, expected N x 3 x S x S"),
        ((10, 1, SIZE, SIZE), "it takes 10x1x99x99, expected N x 3 x S x S"),
        ((3, SIZE), "it takes 3x99, expected N x 3 x S x S"),
        ((1, 3, 2**62, 2**62), "is no AlexNet: "),
        ((1, 3, -5, -5), "image_size at least 1"),
    ):
        packed = b"".join(map(caffe_files.varint, shape))
        path = tmp_path / "deploy.caffemodel"
        path.write_bytes(deploy.replace(declared, field(8, field(1, packed)), 1))
        assert_refused(path, expected)
    assert_refused(write(lrn=message((2, float("nan")))), "normalizations are not two of one kind")
    for data, expected in (
        (message((1, 0.0), (3, SIZE)), "its mean or scale is no number to compute with"),
        (message((3, SIZE), (5, float("inf"))), "its mean or scale is no number to compute with"),
        (message((3, SIZE), (5, 1.0), (5, 2.0)), "subtracts 2 means, expected 1 or one for each"),
        (field(3, 131), "shape of the weight of 'fc6' is 410x104, expected 410x234"),
        (field(3, 2**32 - 1), "is no AlexNet: "),
        (field(3, 103), "images of 103 pixels, of which 'pool1' makes more in Caffe than here"),
    ):
        assert_refused(write(data=data), expected)
    twice = write(data=message((1, 2.0), (3, SIZE))).read_bytes()
    other = caffe_files.layer(False, "d", "Data", "", "d", field(1, 3.0), (), "transform_param")
    (tmp_path / "twice").write_bytes(twice + other)
    assert_refused(tmp_path / "twice", "prepare images in different ways")


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "is damaged: its array is to be 0x0x0x0 numbers and has 0 bytes"),
        (b"\xff" * 40, "is damaged, or no file of Caffe"),
        (
            caffe_files.blob(np.zeros((3, 50, 50)), old=True),
            "50x50 pixels, the network takes 99x99",
        ),
        (caffe_files.blob(np.zeros((3, 100, 101))), "it is 3x100x101, expected 3 x N x N"),
        (caffe_files.blob(np.zeros((9, 9))), "it is 9x9, expected 3 x N x N"),
        (caffe_files.blob(np.full((3, 100, 100), np.nan)), "numbers that are not finite"),
    ],
)
def test_other_mean_images_are_refused(write, tmp_path, content, expected):
    (tmp_path / "mean").write_bytes(content)
    assert_refused(write(), expected, Given(mean_image=tmp_path / "mean"))


def test_a_missing_mean_image(write, tmp_path):
    assert_refused(write(), "mean does not exist", Given(mean_image=tmp_path / "mean"))


@pytest.mark.parametrize(
    "shape", [[2**62, 2**62], [-1, -6], [2**63 - 1], [6] + [1] * 4000, [2, 2], []]
)
def test_shapes_that_are_not_those_of_the_numbers(tmp_path, shape):
    packed = b"".join(map(caffe_files.varint, shape))
    (tmp_path / "mean").write_bytes(field(5, b"\0" * 24) + field(7, field(1, packed)))
    with pytest.raises(CheckpointError, match="is damaged: its array is to be") as raised:
        caffe_messages.read_blob(tmp_path / "mean")
    assert len(str(raised.value)) < 400


def test_many_empty_layers_and_deep_messages(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(field(100, b"") * 5000)
    assert_refused(path, "is no AlexNet: it has 5,000 layers")
    path.write_bytes(field(100, field(3, b"ab") * 5000))
    assert_refused(path, "is no AlexNet: layer '' has more than 100 arrays")
    content = b""
    for _ in range(5000):
        content = field(8, content)
    path.write_bytes(content)
    assert_refused(path, "is damaged, or no")
    path.write_bytes(varint_groups(5000))
    assert_refused(path, "is damaged, or no")


def varint_groups(depth):
    """Groups of an unknown field within each other."""
    return caffe_files.varint(999 * 8 + 3) * depth + caffe_files.varint(999 * 8 + 4) * depth


def test_a_file_that_is_too_large_is_not_read(write, monkeypatch):
    path = write()
    monkeypatch.setattr(caffe_messages, "MAX_BYTES", 1000)
    assert_refused(path, "more than the 1,000 allowed")


def test_without_protobuf_it_is_said_what_to_install(write, monkeypatch):
    path = write()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    caffe_messages._classes_of_tables.cache_clear()
    assert_refused(path, "reading it needs protobuf: pip install protobuf")


def test_hundreds_of_damaged_files(tmp_path):
    corpus = fuzz_data.Corpus(tmp_path, {"caffe": KINDS["caffe"]}, seed=3)
    could_be_read = sum(corpus.read(corpus.input(index)) for index in range(300))
    assert 30 < could_be_read < 270


def test_files_are_recognized_by_their_beginning(write):
    for old in (False, True):
        for data in (None, field(3, 67)):
            path = write(old=old, data=data)
            assert caffe.recognizes(path.read_bytes()[:4096])
            assert len(load(path, Given(image_size=SIZE)).classes) == 3
    for head in (
        b"",
        b"PK\x03\x04\x14\x00",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        b'\x58\x02\x00\x00\x00\x00\x00\x00{"__metadata__":',
        b'name: "AlexNet"\nlayer {\n',
        caffe_files.mean_image(np.zeros((3, 2, 2), np.float32)),
        b"\x0a\xff",
    ):
        assert not caffe.recognizes(head), head
