"""``python -m alexnet.data fetch``, from an HTTPS server on this machine with small archives."""

import errno
import hashlib
import http.server
import io
import shutil
import ssl
import subprocess
import tarfile
import threading
import time

import numpy as np
import pytest

from alexnet.data import __main__, load
from alexnet.data.commands import fetch
from alexnet.data.readers import cifar

NAME = "cifar-10-binary.tar.gz"
FOLDER = "cifar-10-batches-bin"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One file with a key and the certificate for localhost that it signed itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command, to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, path = folder / "key.pem", folder / "certificate.pem"
    options = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command = f"openssl req -x509 {options} -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", path], check=True, capture_output=True
    )
    path.write_bytes(key.read_bytes() + path.read_bytes())
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.contents`; what goes wrong is set by the tests."""

    def do_GET(self):
        server, contents = self.server, self.server.contents
        server.requests.append((self.path, self.headers["Range"]))
        if server.redirect:
            location, server.redirect = server.redirect, None
            self.send_response(302)
            self.send_header("Location", location)
            self.end_headers()
            return
        if self.path != f"/{NAME}":
            return self.send_error(404)
        start, wanted = 0, self.headers["Range"]
        if wanted and server.honours_range:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            shown = start + server.range_error
            self.send_header("Content-Range", f"bytes {shown}-{len(contents) - 1}/{len(contents)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(contents) - start))
        self.end_headers()
        end = server.breaks_after or len(contents)
        self.wfile.write(contents[start:end])
        time.sleep(server.stalls_for)

    def log_message(self, *arguments):
        pass


def tar(members):
    """A tar.gz of {name: contents, or a TarInfo}."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, contents in members.items():
            if isinstance(contents, tarfile.TarInfo):
                archive.addfile(contents)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(contents)
                archive.addfile(member, io.BytesIO(contents))
    return file.getvalue()


@pytest.fixture
def members(rng):
    """What the archive has: two records a file, and a file that nobody needs."""
    folder = tarfile.TarInfo(FOLDER)
    folder.type = tarfile.DIRTYPE
    members = {FOLDER: folder, f"{FOLDER}/readme.html": b"<html>"}
    for file in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 10, (2, 3073), np.uint8)
        members[f"{FOLDER}/{file}"] = records.tobytes()
    members[f"{FOLDER}/batches.meta.txt"] = "\n".join(cifar.SETS["cifar10"].classes).encode()
    return members


@pytest.fixture
def publish(monkeypatch):
    """Make these members, or bytes, the archive that is expected; gives its bytes."""

    def publish(members):
        contents = members if isinstance(members, bytes) else tar(members)
        archive = fetch.ARCHIVES["cifar10"]._replace(
            bytes=len(contents), sha256=hashlib.sha256(contents).hexdigest()
        )
        monkeypatch.setitem(fetch.ARCHIVES, "cifar10", archive)
        return contents

    return publish


@pytest.fixture
def server(certificate, members, publish, monkeypatch):
    monkeypatch.setattr(cifar, "RECORDS", {"train": 10, "validation": 2})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.contents, server.requests = publish(members), []
    server.redirect, server.breaks_after, server.stalls_for = None, None, 0
    server.honours_range, server.range_error = True, 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(fetch, "SERVER", f"https://localhost:{server.server_port}")
    monkeypatch.setattr(fetch, "CHUNK_BYTES", 4096)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "localhost")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command; gives its exit code, what is on stdout, and on stderr."""

    def run(root=tmp_path / "data", name="cifar10"):
        code = __main__.main(["fetch", name, "--data-root", str(root)])
        return code, *capsys.readouterr()

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_fails(result, code, *reasons):
    """One line on stderr, after the one that the download begins."""
    assert result[0] == code
    lines = [line for line in result[2].splitlines() if not line.startswith("downloading")]
    assert len(lines) == 1 and lines[0].startswith("error: ")
    for reason in reasons:
        assert reason in lines[0]


def test_download(server, run, tmp_path, members):
    root = tmp_path / "new" / "data"
    code, out, error = run(root)
    assert (code, error.count("\n")) == (0, 1)  # no progress where there is no terminal
    assert out.startswith(f"{root / FOLDER}: complete; train with: python -m alexnet.train --data ")
    assert names(root) == [FOLDER]
    for name, contents in members.items():
        if name.endswith((".bin", ".txt")):
            assert (root / name).read_bytes() == contents
    assert len(names(root / FOLDER)) == 7
    assert len(load("auto", root)["train"]) == 10


def test_already_there(server, run, tmp_path):
    run()
    server.requests.clear()
    code, out, _ = run()
    assert (code, server.requests) == (0, [])
    assert out.startswith(f"{tmp_path / 'data' / FOLDER}: already there, and complete; train")


def test_there_but_damaged(server, run, tmp_path):
    run()
    folder = tmp_path / "data" / FOLDER
    (folder / "data_batch_2.bin").unlink()
    assert_fails(run(), 3, "data_batch_2.bin: no such file", f"remove {folder} and get")


@pytest.mark.parametrize("honours_range", [True, False])
def test_broken_connection_is_continued(server, run, tmp_path, honours_range):
    server.breaks_after = 10_000
    assert_fails(run(), 3, f"{fetch.SERVER}/{NAME}", "after 10,000 of", "run the command again")
    assert names(tmp_path / "data") == [f"{NAME}.part"]
    server.breaks_after, server.honours_range = None, honours_range
    assert run()[0] == 0
    assert server.requests == [(f"/{NAME}", None), (f"/{NAME}", "bytes=10000-")]
    assert names(tmp_path / "data") == [FOLDER]


def test_a_failed_download_leaves_no_folder(server, run, tmp_path):
    server.redirect = "http://localhost/"
    assert_fails(run(tmp_path / "a" / "b"), 3, "not https")
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine").mkdir()
    server.redirect = "http://localhost/"
    assert_fails(run(tmp_path / "mine" / "b"), 3, "not https")
    assert names(tmp_path) == ["mine"]


def test_server_that_falls_silent(server, run, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.3)
    server.breaks_after, server.stalls_for = 8192, 0.9
    assert_fails(run(), 3, "the connection broke after 8,192 of", "timed out")
    assert (tmp_path / "data" / f"{NAME}.part").stat().st_size == 8192


def test_interruption_is_continued(server, run, tmp_path, monkeypatch):
    whole = fetch._chunks

    def interrupted(response, left):
        yield next(whole(response, left))
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_chunks", interrupted)
    assert_fails(run(), 130, "interrupted")
    assert names(tmp_path / "data") == [f"{NAME}.part"]
    monkeypatch.setattr(fetch, "_chunks", whole)
    assert run()[0] == 0
    assert server.requests[1] == (f"/{NAME}", "bytes=4096-")


def test_another_range_than_asked_for(server, run, tmp_path):
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(server.contents[:5000])
    server.range_error = 1
    assert_fails(run(tmp_path), 3, "the server no longer has the file of")
    assert part.read_bytes() == server.contents[:5000]


def test_killed_before_the_check(server, run, tmp_path):
    (tmp_path / f"{NAME}.part").write_bytes(server.contents)
    (tmp_path / f".{FOLDER}.tmp").mkdir()
    (tmp_path / f".{FOLDER}.tmp" / "data_batch_1.bin").write_bytes(b"half")
    assert run(tmp_path)[0] == 0
    assert (server.requests, names(tmp_path)) == ([], [FOLDER])


def test_downloaded_by_hand(server, run, tmp_path):
    (tmp_path / NAME).write_bytes(server.contents)
    assert run(tmp_path)[0] == 0
    assert (server.requests, names(tmp_path)) == ([], [FOLDER])


def test_by_hand_but_damaged(server, run, tmp_path):
    (tmp_path / NAME).write_bytes(server.contents[:-1] + b"?")
    assert_fails(run(tmp_path), 3, f"{tmp_path / NAME}: damaged, or not the file https://")
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("extra", [0, 5])
def test_wrong_checksum(server, run, tmp_path, extra):
    """In what arrives, or in a part that is too long."""
    if extra:
        (tmp_path / f"{NAME}.part").write_bytes(server.contents + bytes(extra))
    else:
        server.contents = server.contents[:-1] + bytes([server.contents[-1] ^ 1])
    assert_fails(run(tmp_path), 3, NAME, "another SHA-256 and was removed; try again")
    assert names(tmp_path) == []


@pytest.mark.parametrize("change", [-1, 1])
def test_file_of_another_size(server, run, tmp_path, change):
    server.contents = (server.contents + b"x")[: len(server.contents) + change]
    assert_fails(run(tmp_path), 3, "the server no longer has the file of", "by hand and put it int")
    assert names(tmp_path) == []


@pytest.mark.parametrize("scheme", ["http", "ftp", "HTTP"])
def test_redirect_away_from_https(server, run, tmp_path, scheme):
    server.redirect = f"{scheme}://localhost:{server.server_port}/{NAME}"
    assert_fails(run(), 3, f"{NAME}: cannot be downloaded", f"{scheme.lower()}://localhost")
    assert len(server.requests) == 1
    assert not (tmp_path / "data").exists()


def test_redirect_to_https(server, run):
    server.redirect = f"https://localhost:{server.server_port}/{NAME}"
    assert run()[0] == 0
    assert len(server.requests) == 2


def test_certificate_that_nobody_trusts(server, run, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert_fails(run(), 3, "CERTIFICATE_VERIFY_FAILED")


def test_not_found(server, run, monkeypatch):
    monkeypatch.setattr(fetch, "SERVER", f"{fetch.SERVER}/nowhere")
    assert_fails(run(), 3, f"{fetch.SERVER}/{NAME}", "HTTP Error 404: Not Found", "by hand and put")


def test_no_server(server, run, monkeypatch):
    monkeypatch.setattr(fetch, "SERVER", "https://localhost:1")
    assert_fails(run(), 3, f"https://localhost:1/{NAME}: cannot be downloaded", "refused")


def test_silent_server(server, run, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(Handler, "do_GET", lambda handler: time.sleep(0.6))
    assert_fails(run(), 3, f"{NAME}: cannot be downloaded (", "timed out")


def test_disk_full(server, run, tmp_path, monkeypatch):
    def full(response, left):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(fetch, "_chunks", full)
    assert_fails(run(), 7, "disk full", f"'{tmp_path / 'data'}'; free some space")


def test_not_writable(server, run, tmp_path):
    (tmp_path / "file").write_text("")
    assert_fails(run(tmp_path / "file" / "data"), 7, "Not a directory", str(tmp_path / "file"))


def test_names_that_leave_the_folder(server, run, publish, members, tmp_path):
    outside = {f"{FOLDER}/../escaped.bin": b"x", str(tmp_path / "absolute.bin"): b"x"}
    outside |= {"../data_batch_1.bin": b"x", "data_batch_1.bin": b"x", "other/test_batch.bin": b"x"}
    server.contents = publish(members | outside)
    assert run()[0] == 0
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == [FOLDER]
    assert len(names(tmp_path / "data" / FOLDER)) == 7


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_member_that_is_no_file(server, run, publish, members, tmp_path, kind):
    link = tarfile.TarInfo(f"{FOLDER}/test_batch.bin")
    link.type, link.linkname = kind, "/etc/passwd"
    server.contents = publish({**members, link.name: link})
    assert_fails(run(), 3, f"{NAME}: refused, {link.name} in it is not as expected")
    assert names(tmp_path / "data") == [NAME]


def test_member_too_large(server, run, publish, members, tmp_path):
    server.contents = publish({**members, f"{FOLDER}/batches.meta.txt": bytes(100_000)})
    assert_fails(run(), 3, "batches.meta.txt in it is not as expected")


def test_member_missing(server, run, publish, members, tmp_path):
    del members[f"{FOLDER}/data_batch_5.bin"]
    server.contents = publish(members)
    assert_fails(run(), 3, f"{NAME}: refused, it has no data_batch_5.bin")
    assert names(tmp_path / "data") == [NAME]


@pytest.mark.parametrize("kind", ["cut", "not gzip"])
def test_archive_that_cannot_be_unpacked(server, run, publish, members, tmp_path, kind):
    whole = tar(members)
    server.contents = publish(whole[:9000] if kind == "cut" else b"x" + whole)
    assert_fails(run(), 3, f"{tmp_path / 'data' / NAME}: cannot be unpacked (", "remove it")
    assert names(tmp_path / "data") == [NAME]


def test_official_archives():
    for name, archive in fetch.ARCHIVES.items():
        version = cifar.SETS[name].versions[0]
        assert archive.folder == version.folder
        files = {file: 50_000 // len(version.files["train"]) for file in version.files["train"]}
        files[version.files["validation"][0]] = 10_000
        for file, records in files.items():
            assert archive.members[file] == records * (version.label_bytes + 3072)
        assert version.names_file in archive.members


@pytest.mark.parametrize("arguments", [[], ["fetch"], ["fetch", "mnist", "--data-root", "x"]])
def test_wrong_use(capsys, arguments):
    assert __main__.main(arguments) == 2
    assert "see --help" in capsys.readouterr().err
