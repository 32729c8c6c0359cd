"""Download CIFAR-10 or CIFAR-100 (binary version) and unpack it.

Until it is complete and checked, everything has a temporary name: NAME.tar.gz.part while it is
downloaded, .FOLDER.tmp while it is unpacked. The next call continues an interrupted download.
"""

import argparse
import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from alexnet import cli, files
from alexnet.data.readers import cifar
from alexnet.errors import DataError

SERVER = "https://www.cs.toronto.edu/~kriz"
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 20


class Archive(NamedTuple):
    """An archive on the server.

    Attributes:
        folder: what it unpacks to.
        members: the files taken from that folder, and the most bytes that each may have.
    """

    name: str
    bytes: int
    sha256: str
    folder: str
    members: dict[str, int]


# Sizes and checksums: url_checksums/cifar10.txt and cifar100.txt of TensorFlow Datasets.
ARCHIVES = {
    "cifar10": Archive(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "cifar-10-batches-bin",
        {
            **{f"data_batch_{i}.bin": 30_730_000 for i in range(1, 6)},
            "test_batch.bin": 30_730_000,
            "batches.meta.txt": cifar.MAX_NAMES_BYTES,
        },
    ),
    "cifar100": Archive(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        "cifar-100-binary",
        {
            "train.bin": 153_700_000,
            "test.bin": 30_740_000,
            "fine_label_names.txt": cifar.MAX_NAMES_BYTES,
            "coarse_label_names.txt": cifar.MAX_NAMES_BYTES,
        },
    ),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("set", choices=ARCHIVES, metavar="SET", help=", ".join(ARCHIVES))
    parser.add_argument(
        "--data-root", type=Path, required=True, metavar="DIR", help="the folder to put it in"
    )


def run(arguments: argparse.Namespace) -> int:
    root, name = arguments.data_root, arguments.set
    folder = root / ARCHIVES[name].folder
    there = folder.exists()
    if not there:
        fetch(name, root)
    cifar.open_splits(folder, name)
    train = cli.command("python -m alexnet.train", "--data", name, "--data-root", root)
    print(f"{folder}: {'already there, and ' if there else ''}complete; train with: {train}")
    return 0


def fetch(name: str, root: Path) -> None:
    """Download the set `name` into a folder of its own in `root`.

    Raises:
        DataError: the server cannot be reached, or does not send the archive.
        OSError: something cannot be written in `root`.
    """
    archive = ARCHIVES[name]
    path = root / archive.name
    url = f"{SERVER}/{archive.name}"
    try:
        with files.folder_to_fill(root):
            if not path.exists():
                _download(url, archive, path)
            elif not _is_intact(path, archive):
                raise DataError(f"{path}: damaged, or not the file {url}; remove it and try again")
            _unpack(archive, path, root)
            path.unlink()
    except OSError as error:
        if error.filename is None:  # as from write()
            error.filename = str(root)
        raise


def _download(url: str, archive: Archive, path: Path) -> None:
    """Make the file at `path`: it appears complete, checked and synchronized to disk."""
    part = path.with_name(f"{path.name}.part")
    if not part.exists() or part.stat().st_size < archive.bytes:
        _complete(part, url, archive)
    if not _is_intact(part, archive):
        part.unlink()
        raise DataError(f"{url}: what arrived had another SHA-256 and was removed; try again")
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _complete(part: Path, url: str, archive: Archive) -> None:
    """Download the rest of `part`."""
    start = part.stat().st_size if part.exists() else 0
    by_hand = f"download it by hand and put it into {part.parent}"
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.build_opener(HttpsOnly).open(request, timeout=TIMEOUT_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is also the server's response
        reason = str(error).removeprefix("<urlopen error ").removesuffix(">")
        raise DataError(
            f"{url}: cannot be downloaded ({reason}); try again, or {by_hand}"
        ) from error
    with response:
        end = archive.bytes
        if response.status == 206:
            fits = response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{end}"
        else:  # the server sends all of it
            start = 0
            fits = response.headers["Content-Length"] == str(end)
        if not fits:
            raise DataError(f"{url}: the server no longer has the file of {end:,} bytes; {by_hand}")
        cli.say(f"downloading {url} ({end / 1e6:.0f} MB)")
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(
                total=end,
                initial=start,
                unit="B",
                unit_scale=True,
                leave=False,
                dynamic_ncols=True,
                disable=None,  # that is: only on a terminal
            ) as bar,
        ):
            try:
                for chunk in _chunks(response, end - start):
                    file.write(chunk)
                    bar.update(len(chunk))
            except ConnectionBroken as error:
                raise DataError(
                    f"{url}: the connection broke after {file.tell():,} of {end:,} bytes "
                    f"({error}); run the command again to continue, or {by_hand}"
                ) from error


class HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not away from https."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not newurl.startswith("https://"):
            message = f"redirects to {newurl}, which is not https"
            raise urllib.error.HTTPError(req.full_url, code, message, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class ConnectionBroken(Exception):
    """The connection failed, not the disk."""


def _chunks(response: http.client.HTTPResponse, left: int) -> Iterator[bytes]:
    """The next `left` bytes, piece by piece."""
    try:
        while left:
            chunk = response.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise ConnectionBroken("it was closed")
            left -= len(chunk)
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionBroken(str(error)) from error


def _is_intact(path: Path, archive: Archive) -> bool:
    if path.stat().st_size != archive.bytes:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256


def _unpack(archive: Archive, path: Path, root: Path) -> None:
    """Make the set's folder in `root`: it appears complete, checked and synchronized to disk.

    Only the regular files with the expected names are written; tarfile's own extraction would let
    the archive decide what is written where.
    """
    temporary = root / f".{archive.folder}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a call that was killed
    temporary.mkdir()
    missing = set(archive.members)
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                folder, _, file = member.name.partition("/")
                if folder != archive.folder or file not in archive.members:
                    continue
                if not member.isreg() or member.size > archive.members[file]:
                    raise DataError(f"{path}: refused, {member.name} in it is not as expected")
                with open(temporary / file, "wb") as target:
                    shutil.copyfileobj(tar.extractfile(member), target)
                    target.flush()
                    os.fsync(target.fileno())
                missing.discard(file)
        if missing:
            raise DataError(f"{path}: refused, it has no {min(missing)}")
        temporary.rename(root / archive.folder)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); remove it and try again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
