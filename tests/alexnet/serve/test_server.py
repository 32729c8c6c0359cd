"""Whom the server refuses, and its limits."""

import contextlib
import io
import socket
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from alexnet.serve import server as server_module
from alexnet.serve.server import HOST, MAX_BYTES
from tests.alexnet.serve.conftest import get, png, request, send, serving


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
