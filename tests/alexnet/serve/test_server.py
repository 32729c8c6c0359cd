"""What the server answers, whom it refuses, and its limits."""

import base64
import contextlib
import io
import re
import shutil
import socket
import threading
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.explain import number
from alexnet.explain.passes import Passes
from alexnet.inference import run_data
from alexnet.inference.inputs import Input
from alexnet.inference.trained import Trained
from alexnet.model import CifarNet
from alexnet.run.checkpoint import LAST
from alexnet.serve import __main__ as command
from alexnet.serve import images
from alexnet.serve import server as server_module
from alexnet.serve.__main__ import main
from alexnet.serve.answers import Answers, _as_maps
from alexnet.serve.images import Shown
from alexnet.serve.server import HOST, MAX_BYTES, Server
from alexnet.serve.watching import Watched
from tests.alexnet.serve.conftest import get, pixels_of, png, request, send, serving


@pytest.fixture(scope="module")
def trained(undisturbed):
    return Trained(undisturbed)


@pytest.fixture(scope="module")
def passes(trained, photos):
    """What the network makes of the image that is sent."""
    prepared = number.prepared(trained, Input(str(min(photos.rglob("green/*")))))
    return number.passes_for(trained, prepared)


# -- answers ---------------------------------------------------------------------------------------


def test_page_and_its_files(server):
    for path, media_type in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ):
        status, headers, body = request(server, "GET", path)
        assert status == 200 and headers["Content-Type"].startswith(media_type) and body
        assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in headers["Server"]


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


# -- limits ----------------------------------------------------------------------------------------


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


def hostile_files():
    """By name: content that is no image that can be used."""
    good = png(np.zeros((40, 40, 3), np.uint8))
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + good[24:29]
    bomb = good[:12] + header + zlib.crc32(header).to_bytes(4, "big") + good[33:]
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "jpeg")
    jpeg = file.getvalue()
    return {
        "nothing": b"",
        "a byte": b"x",
        "text": b"hello " * 100,
        "html": b"<html><script>alert(1)</script></html>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "zeros": bytes(1000),
        "a png's first bytes": good[:8],
        "half a png": good[: len(good) // 2],
        "a png of no pixels": good[:16] + bytes(8) + good[24:],
        "half a jpeg's header": jpeg[:20],
        "a bomb": bomb,
        "a pickle": b"\x80\x04cos\nsystem\n(S'echo'\ntR.",
        "pdf": b"%PDF-1.4\n%%EOF",
        "a zip": b"PK\x03\x04" + bytes(100),
        "a gif's first bytes": b"GIF89a",
        "random": np.random.default_rng(0).bytes(10_000),
        "a bmp of a size below zero": b"BM" + bytes(14) + b"\x28\0\0\0\xff\xff\xff\xff" + bytes(50),
        "a png with a wrong checksum": good[:20] + bytes([good[20] ^ 255]) + good[21:],
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "a riff": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    }


@pytest.mark.parametrize("name", hostile_files())
def test_hostile_files_get_a_line(server, name, photos, undisturbed):
    status, answer = send(server, hostile_files()[name])
    assert status == 422
    assert answer["error"].startswith("the image")
    assert "\n" not in answer["error"]
    for folder in (photos, undisturbed):
        assert str(folder) not in answer["error"]


def test_too_large_an_image_is_not_read(server):
    status, _, body = request(
        server, "POST", "/api/images", b"x", Content_Length=str(MAX_BYTES + 1)
    )
    assert status == 413 and b"larger than 32 megabytes" in body


def raw(server, text, wait=5.0):
    """What comes back for bytes that no HTTP client would send."""
    with socket.create_connection((HOST, server.server_port), timeout=wait) as connection:
        connection.sendall(text)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            return received + b" (still open)"
        return received


def post_head(server, *lines):
    head = ["POST /api/images HTTP/1.1", f"Host: {HOST}:{server.server_port}", *lines, "", ""]
    return "\r\n".join(head).encode()


def test_length_must_be_known(server):
    for line in ("X: y", "Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked"):
        answer = raw(server, post_head(server, line))
        assert answer.startswith(b"HTTP/1.1 411"), line


def test_slow_visitors_are_sent_away(undisturbed, monkeypatch):
    monkeypatch.setattr(server_module, "SECONDS", 0.3)
    with serving(undisturbed) as server:
        answer = raw(server, post_head(server, "Content-Length: 100") + b"some")
        assert answer.startswith(b"HTTP/1.1 408") and b"did not arrive in time" in answer
        assert b"still open" not in raw(server, b"GET / HTTP/1.1\r\n")


def test_trickling_visitors_are_sent_away(undisturbed, monkeypatch):
    """Each byte comes soon after the one before it, but the request does not end."""
    monkeypatch.setattr(server_module, "SECONDS", 0.3)
    with serving(undisturbed) as server:
        with socket.create_connection((HOST, server.server_port), timeout=5) as connection:
            started = time.monotonic()
            with contextlib.suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nX: ")
                while time.monotonic() < started + 5:
                    connection.sendall(b"y")
                    time.sleep(0.05)
            assert time.monotonic() < started + 3


def test_usual_port_is_left_out_of_names():
    assert server_module.hosts(80) == {
        *("127.0.0.1", "localhost"),
        *("127.0.0.1:80", "localhost:80"),
    }
    assert server_module.hosts(8000) == {"127.0.0.1:8000", "localhost:8000"}


def test_other_methods_and_malformed_addresses(server):
    head = f"Host: {HOST}:{server.server_port}\r\n\r\n"
    assert raw(server, f"x\r\n{head}".encode()) == b'{"error": "Bad request syntax (\'x\')"}'
    for line, status in (("BREW / HTTP/1.1", 501), ("GET http://[ HTTP/1.1", 404)):
        answer = raw(server, f"{line}\r\n{head}".encode())
        assert answer.startswith(f"HTTP/1.1 {status}".encode()), answer
        assert b"default-src 'none'" in answer and b'{"error":' in answer


def test_connections_are_limited(undisturbed, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with serving(undisturbed) as server:
        idle = [socket.create_connection((HOST, server.server_port)) for _ in range(2)]
        for connection in idle:  # accepted, and waited for
            connection.sendall(b"GET /api/network HTTP/1.1\r\n")
        with pytest.raises(OSError):
            get(server, "/api/network")
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
def test_other_pages_are_refused(server, photo, headers, status):
    filled = {name: value.format(port=server.server_port) for name, value in headers.items()}
    assert send(server, photo, **filled)[0] == status
    assert request(server, "GET", "/", **filled)[0] == status


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../../etc/passwd",
        "/static/index.html",
        "/api/images/../filters",
        "/api/images/x/explain/conv2/1,2,3,4,x",
        "/api/images/x/maps/conv2/-1",
    ],
)
def test_there_is_nothing_else(server, path):
    assert get(server, path) == (404, {"error": "there is nothing at this address"})


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


# -- a run that is being trained -------------------------------------------------------------------


def test_newer_networks_are_shown(undisturbed, start, photo, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with serving(folder, follow=True) as server:
        assert get(server, "/api/progress")[1]["version"] == 0
        status, answer = send(server, photo)
        assert status == 422 and "no network yet" in answer["error"]
        for name in ("metrics.csv", "metrics.jsonl", "run.json", LAST):
            shutil.copy(undisturbed / name, folder / name)
        progress = get(server, "/api/progress")[1]
        assert (progress["version"], progress["epochs"], len(progress["rows"])) == (1, 2, 2)
        first = send(server, photo)[1]
        assert get(server, "/api/progress")[1]["version"] == 1
        assert start(tmp_path / "other", "--seed", "5") == 0
        shutil.copy(tmp_path / "other" / LAST, folder / "new")
        (folder / "new").replace(folder / LAST)
        assert get(server, "/api/progress")[1]["version"] == 2
        assert get(server, f"/api/images/{first['image']}/picture")[0] == 422
        assert send(server, photo)[1]["classes"] != first["classes"]


def test_damaged_checkpoint_leaves_the_network_before_it(undisturbed, tmp_path, capsys):
    shutil.copytree(undisturbed, tmp_path / "run")
    loaded = []

    def load(path):
        loaded.append(path)
        return Trained(path)

    watched = Watched(tmp_path / "run", True, load, None)
    before = watched.answers()
    (tmp_path / "run" / LAST).unlink()
    (tmp_path / "run" / LAST).write_bytes(b"no checkpoint")
    for _ in range(3):
        assert watched.progress()["version"] == 1
    assert watched.answers() is before
    assert len(loaded) == 2
    assert capsys.readouterr().err.count("the network before it is shown") == 1


# -- the command -----------------------------------------------------------------------------------


def test_limits_of_images_are_those_of_the_options(undisturbed, monkeypatch):
    given = []
    monkeypatch.setattr(command, "Trained", lambda path, **options: given.append(options))
    monkeypatch.setattr(command, "Watched", lambda source, follow, load, training: load(source))
    monkeypatch.setattr(command, "Server", lambda watched, port: (_ for _ in ()).throw(UsageError))
    main([str(undisturbed), "--max-pixels", "100", "--bad-images", "skip"])
    assert given == [{"bad_images": "skip", "max_pixels": 100}]


@pytest.mark.parametrize(
    "options, code, message",
    [
        ("{folder}", 4, "is no run folder"),
        ("{folder}/missing --watch", 4, "--watch needs that of a run"),
        ("{run} --port 70000", 2, "'70000' is not a port, 0 to 65535"),
    ],
)
def test_command_refuses(undisturbed, tmp_path, error_of, options, code, message):
    arguments = options.format(run=undisturbed, folder=tmp_path).split()
    found, line = error_of(main, arguments)
    assert found == code and message in line


def test_port_that_is_taken(undisturbed):
    watched = Watched(undisturbed, False, Trained, None)
    with (
        Server(watched, 0) as server,
        pytest.raises(UsageError, match="choose another with --port"),
    ):
        Server(watched, server.server_port)
