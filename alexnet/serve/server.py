"""The HTTP server: addresses, limits, and who may ask.

It listens on 127.0.0.1 only. Other pages in the same browser cannot use it: requests with another
Host than this machine's own name (as after DNS rebinding) or from another Origin are refused.
"""

import contextlib
import http
import re
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from alexnet import cli
from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.serve import routes
from alexnet.serve.routes import Answer
from alexnet.serve.watching import Watched

HOST = "127.0.0.1"
MAX_BYTES = 32 * 2**20  # of an image file
SECONDS = 20  # for a request to arrive
MAX_CONNECTIONS = 32
SERVER = "minigrad"

STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
# The page may use what this server sends and pictures that it made itself, and nothing else.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Refused(Exception):
    """A request that gets no answer but a status and a line that says why."""

    def __init__(self, status: http.HTTPStatus, reason: str):
        super().__init__(reason)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves the page until it is interrupted.

    Args:
        port: 0 for any that is free.

    Raises:
        UsageError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, watched: Watched, port: int):
        self.watched = watched
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"port {port}: {reason}; choose another with --port") from error
        self.hosts = hosts(self.server_port)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, as far as there are any left."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no thread for it
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Visitors that go away are no news; anything else is printed as Python does."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def hosts(port: int) -> set[str]:
    """The names that a browser may call this server by."""
    names = {HOST, "localhost"}
    # A browser leaves out the port that is the usual one.
    return {f"{name}:{port}" for name in names} | (names if port == 80 else set())


class Handler(BaseHTTPRequestHandler):
    """One connection.

    A request has `SECONDS` to arrive, however it is cut into parts; a timer closes the connection.
    """

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def version_string(self) -> str:
        return SERVER

    def handle_one_request(self) -> None:
        """Wait for a request no longer than that."""
        self._arriving = threading.Timer(SECONDS, self._close)
        self._arriving.daemon = True
        self._arriving.start()
        try:
            super().handle_one_request()
        finally:
            self._arriving.cancel()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)  # what is read from now on is the end

    def log_message(self, format: str, *arguments: Any) -> None:
        """The terminal stays quiet."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses, such as other methods, in the form of all answers."""
        self.close_connection = True
        status = http.HTTPStatus(code)
        self._send(status, _error(Exception(message or status.phrase)))

    def _answer(self, method: Callable[[], Answer]) -> None:
        status = http.HTTPStatus.OK
        try:
            self._require_own_page()
            answer = method()
        except Refused as error:
            status, answer = error.status, _error(error)
        except (CheckpointError, DataError) as error:
            status, answer = http.HTTPStatus.UNPROCESSABLE_ENTITY, _error(error)
        except UsageError as error:
            status, answer = http.HTTPStatus.NOT_FOUND, _error(error)
        except Exception:
            traceback.print_exc()
            status = http.HTTPStatus.INTERNAL_SERVER_ERROR
            answer = _error(Exception("something went wrong: the terminal of the server says what"))
        if status is not http.HTTPStatus.OK:
            self.close_connection = True  # a body that was not read is no next request
        self._send(status, answer)

    def _send(self, status: http.HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _require_own_page(self) -> None:
        """Refuse what no page of this server would ask.

        Raises:
            Refused: the Host, the Origin, or the site of the page is another one.
        """
        known = self.server.hosts
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if self.headers.get("Host") not in known:
            reason = f"this page is at {self.server.url}, not at the address that was asked for"
        elif origin is not None and origin.removeprefix("http://") not in known:
            reason = "other pages may not use this one"
        elif site not in ("none", "same-origin"):
            reason = "other pages may not use this one"
        else:
            return
        raise Refused(http.HTTPStatus.FORBIDDEN, reason)

    # -- what is asked -------------------------------------------------------------------------

    def _get(self) -> Answer:
        self._arriving.cancel()
        parts = self._address()
        if parts.path in STATIC:
            name, media_type = STATIC[parts.path]
            file = resources.files("alexnet.serve").joinpath("static", name)
            return Answer(file.read_bytes(), media_type)
        return routes.answer(self.server.watched, parts.path, parse_qs(parts.query))

    def _address(self) -> SplitResult:
        try:
            return urlsplit(self.path)
        except ValueError:
            raise UsageError("there is nothing at this address") from None

    def _post(self) -> Answer:
        if self._address().path != "/api/images":
            raise UsageError("there is nothing at this address")
        return routes.as_json(self.server.watched.answers().send(self._body()))

    def _body(self) -> bytes:
        """What was sent, within the limits of size and time.

        Raises:
            Refused: it is too large, too slow, or has no length.
        """
        text = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise Refused(http.HTTPStatus.LENGTH_REQUIRED, "the request does not say its length")
        length = int(text)
        if length > MAX_BYTES:
            most = cli.counted(MAX_BYTES // 2**20, "megabyte")
            reason = f"the image is larger than {most}: send a smaller one"
            raise Refused(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        try:
            body = self.rfile.read(length)
        except TimeoutError:
            body = b""
        if len(body) < length:
            reason = "the image did not arrive in time: send it again"
            raise Refused(http.HTTPStatus.REQUEST_TIMEOUT, reason)
        self._arriving.cancel()
        return body


def _error(error: Exception) -> Answer:
    return routes.as_json({"error": " ".join(str(error).split())})
