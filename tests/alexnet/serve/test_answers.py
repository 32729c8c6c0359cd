"""What is answered about a network and an image, beside the network itself."""

import base64
import re
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import CheckpointError, DataError
from alexnet.explain import number
from alexnet.explain.passes import Passes
from alexnet.inference import run_data
from alexnet.inference.inputs import Input
from alexnet.inference.trained import Trained
from alexnet.model import CifarNet
from alexnet.serve import images
from alexnet.serve.answers import Answers, _as_maps
from alexnet.serve.images import Shown
from alexnet.serve.watching import Watched
from tests.alexnet.serve.conftest import get, pixels_of, request, send, serving


@pytest.fixture(scope="module")
def trained(undisturbed):
    return Trained(undisturbed)


@pytest.fixture(scope="module")
def passes(trained, photos):
    """What the network makes of the image that is sent."""
    prepared = number.prepared(trained, Input(str(min(photos.rglob("green/*")))))
    return number.passes_for(trained, prepared)


def test_classes_are_those_of_prediction(server, photo, trained, photos):
    status, answer = send(server, photo)
    assert status == 200
    expected = trained.predict(str(min(photos.rglob("green/*")))).top(5)
    assert [(c["name"], c["probability"]) for c in answer["classes"]] == [
        (name, pytest.approx(probability, abs=1e-6)) for name, probability in expected
    ]
    assert answer["layers"][0] == {"name": "conv1", "shape": [10, 15, 15]}


def test_pictures(server, image, photos):
    expected = np.asarray(Image.open(min(photos.rglob("green/*"))).convert("RGB"))
    for kind in ("picture", "gradient", "cam"):
        status, headers, body = request(server, "GET", f"/api/images/{image}/{kind}")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert pixels_of(body).shape == (67, 67, 3)
        if kind == "picture":
            assert np.abs(pixels_of(body).mean((0, 1)) - expected.mean((0, 1))).max() < 3


def test_maps_hold_the_numbers_of_the_network(server, image, passes):
    output = passes.layers["conv2"].output
    _, maps = get(server, f"/api/images/{image}/maps/conv2")
    assert (maps["channels"], maps["rows"], maps["columns"]) == output.shape
    assert output[tuple(maps["largest"])] == output.max()
    _, answer = get(server, f"/api/images/{image}/maps/conv2/3")
    np.testing.assert_allclose(answer["values"], output[3], rtol=1e-5)
    assert answer["units"] == 0


def test_units_of_a_fully_connected_layer_are_one_map(server, image, passes):
    output = passes.layers["fc6"].output
    _, maps = get(server, f"/api/images/{image}/maps/fc6")
    assert maps["channels"] == 1
    _, answer = get(server, f"/api/images/{image}/maps/fc6/0")
    assert answer["units"] == len(output)
    values = np.ravel(answer["values"])[: len(output)]
    np.testing.assert_allclose(values, output, rtol=1e-5)


@pytest.mark.parametrize("query, sections", [("", 0), ("?backward=1", 1)])
def test_explanation_of_a_number(server, image, passes, query, sections):
    status, answer = get(server, f"/api/images/{image}/explain/conv2/3,1,2{query}")
    assert status == 200
    value = f"{float(passes.layers['conv2'].output[3, 1, 2]):.6g}"
    assert answer["title"].endswith(f"channel 3, row 1, column 2: {value}")
    assert answer["html"].count("<h3>") == sections
    assert len(answer["box"]) == 4


def test_neighbors_are_training_images(server, image):
    status, answer = get(server, f"/api/images/{image}/neighbors")
    assert status == 200 and answer["layer"] == "fc7" and answer["images"] == 18
    distances = [neighbor["distance"] for neighbor in answer["neighbors"]]
    assert len(distances) == 6 and distances == sorted(distances)
    for neighbor in answer["neighbors"]:
        content = base64.b64decode(neighbor["picture"].split(",")[1])
        assert pixels_of(content).shape == (67, 67, 3)


def test_filters(server):
    status, answer = get(server, "/api/filters")
    assert status == 200 and answer["filters"] == 10
    assert answer["picture"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "path, message",
    [
        ("maps/conv9", "no layer 'conv9'; choose from conv1"),
        ("maps/conv2/999", "conv2 has no channel 999: it has 26"),
        ("explain/conv2/999,0,0", "conv2 has no channel 999"),
        ("explain/fc6/0,0,0", "fc6 has the shape 410: give a unit only"),
        ("explain/conv2/0,0,0,0", "conv2 has the shape 26x7x7: give channel, row and column"),
        ("explain/loss/3", "the loss is one number"),
    ],
)
def test_what_a_network_does_not_have(server, image, path, message):
    status, answer = get(server, f"/api/images/{image}/{path}")
    assert status == 404 and answer["error"].startswith(message)


def test_padding_is_no_unit():
    """The largest of 100 units that are all below 0, which are drawn in rows of 64."""
    values = _as_maps(np.full(100, -1.0))
    assert values.shape == (1, 2, 64)
    model = CifarNet(100, 16, activation="tanh").eval()
    model.classifier[-1].bias.data[:] = -1000
    passes = Passes(model, np.zeros((1, 3, 16, 16), np.float32))
    answers = SimpleNamespace(_images={"x": Shown(None, passes)})
    _, row, column = Answers.maps(answers, "x", "fc4")["largest"]
    assert row * 64 + column == passes.scores.argmax()


def test_old_images_are_forgotten(undisturbed, photo, monkeypatch):
    monkeypatch.setattr(images, "KEPT", 2)
    with serving(undisturbed) as server:
        names = [send(server, photo)[1]["image"] for _ in range(3)]
        assert get(server, f"/api/images/{names[0]}/maps/conv1") == (
            422,
            {"error": "this image is not kept any more: send it again"},
        )
        for name in names[1:]:
            assert get(server, f"/api/images/{name}/maps/conv1")[0] == 200


def test_two_visitors_do_not_mix(server, photos):
    """Each gets the answer for its own image, whoever comes first."""
    files = [min(photos.rglob(f"{name}/*")).read_bytes() for name in ("red", "green", "blue")]
    expected = [send(server, file)[1]["classes"] for file in files]
    found = {}

    def visit(visitor):
        for turn in range(4):
            which = (visitor + turn) % 3
            status, answer = send(server, files[which])
            found[visitor, turn] = status == 200 and answer["classes"] == expected[which]
            get(server, f"/api/images/{answer['image']}/explain/conv2/")

    threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and all(found.values())


def test_no_answer_names_a_folder(server, image, photos, undisturbed, tmp_path):
    """Also not where the training images have gone."""
    known = [str(photos), str(undisturbed), "/tmp", "/home"]
    paths = ["network", "filters", "progress"]
    paths += [f"images/{image}/{rest}" for rest in ("maps/conv1", "explain/conv1/", "neighbors")]
    for path in paths:
        body = re.sub(
            rb"data:image/png;base64,[^\"]*", b"", request(server, "GET", f"/api/{path}")[2]
        )
        assert not any(folder.encode() in body for folder in known), path


@pytest.mark.parametrize("kind", [CheckpointError, DataError])
def test_training_images_that_are_gone(undisturbed, photo, tmp_path, capsys, kind):
    def training(trained):
        raise kind(f"{tmp_path} is missing")

    answers = Watched(undisturbed, False, Trained, training).answers()
    image = answers.send(photo)["image"]
    with pytest.raises(DataError, match="--data-root names the folder") as error:
        answers.neighbors(image)
    assert str(tmp_path) not in str(error.value)
    assert str(tmp_path) in capsys.readouterr().err


def test_training_images_that_go_later(undisturbed, photo, photos, tmp_path):
    """The index is made once, the neighbors are read from the files each time."""
    shutil.copytree(photos, tmp_path / "photos")

    def training(trained):
        return run_data.dataset(trained.checkpoint, "train", data_root=tmp_path / "photos")

    answers = Watched(undisturbed, False, Trained, training).answers()
    image = answers.send(photo)["image"]
    assert len(answers.neighbors(image)["neighbors"]) == 6
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(DataError, match="--data-root names the folder") as error:
        answers.neighbors(image)
    assert str(tmp_path) not in str(error.value)
