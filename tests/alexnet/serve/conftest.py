"""A server of a small run on a free port, and requests to it."""

import contextlib
import http.client
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from alexnet.inference import run_data
from alexnet.inference.trained import Trained
from alexnet.serve.server import HOST, Server
from alexnet.serve.watching import Watched


@contextlib.contextmanager
def serving(source, follow=False):
    """A server in a thread."""

    def training(trained):
        return run_data.dataset(trained.checkpoint, "train")

    with Server(Watched(source, follow, Trained, training), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(undisturbed):
    with serving(undisturbed) as running:
        yield running


def request(server, method, path, body=None, **headers):
    """The status, the headers and the body of an answer."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=60)
    with contextlib.closing(connection):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def get(server, path, **headers):
    status, _, body = request(server, "GET", path, **headers)
    return status, json.loads(body)


def send(server, body, **headers):
    status, _, answer = request(server, "POST", "/api/images", body, **headers)
    return status, json.loads(answer)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def photo(photos):
    return min(photos.rglob("green/*")).read_bytes()


@pytest.fixture
def image(server, photo):
    """The name of an image that was sent."""
    status, answer = send(server, photo)
    assert status == 200
    return answer["image"]


def pixels_of(file):
    return np.asarray(Image.open(io.BytesIO(file)))
