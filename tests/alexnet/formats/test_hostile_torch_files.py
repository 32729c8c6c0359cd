"""Damaged and hostile files of PyTorch: one line each, nothing executed, memory bounded."""

import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from alexnet.errors import CheckpointError
from alexnet.formats import torch_file, torch_records
from tests.alexnet.formats import torch_files
from tests.alexnet.formats.torch_files import code_of, elements_of, legacy_bytes, zip_bytes
from tests.stress import fuzz_data
from tests.stress.fuzz_kinds import KINDS

ARRAYS = torch_files.arrays()
ONE = {"a": np.ones(2, np.float32)}
FOUR_BYTES = {"0": b"\0" * 4}


def refusal(path, content):
    """The one line with which a file is refused, with little memory."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as refused:
            torch_file.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22 + 60 * len(content)
    message = str(refused.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 500
    return message.removeprefix(str(path))


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"echo > '{self.canary}'",)


class Nested(Attack):
    """The same within a pickle that a pickle unpickles."""

    def __reduce__(self):
        return pickle.loads, (pickle.dumps(Attack(self.canary)),)


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("attack", [Attack, Nested])
def test_nothing_is_executed(tmp_path, attack, protocol, form):
    canary = tmp_path / "canary"
    code = pickle.dumps({"features.0.weight": attack(canary)}, protocol)
    pickle.loads(code)
    assert canary.exists(), "the attack does not even work where pickles are run"
    canary.unlink()
    content = zip_bytes(code, {}) if form == "zip" else legacy_bytes(code, {}, [])
    called = "system" if attack is Attack else "pickle.loads"
    message = refusal(tmp_path / "a.pth", content)
    assert message.startswith(" is refused: as a pickle it could call '")
    assert f"{called}', and parameters need no such thing; save the parameters with " in message
    assert not canary.exists()


def tensor_code(identity=b"", call=b"", **numbers):
    """The pickle of {"a": tensor} with anything in the place of its parts, bytes as they are."""
    parts = {"count": 1, "offset": 0, "size": (1,), "strides": (1,), **numbers}
    put = {
        name: value if isinstance(value, bytes) else pickle.dumps(value, 2)[2:-1]
        for name, value in parts.items()
    }
    identity = identity or b"(U\7storagectorch\nFloatStorage\nU\x010U\3cpu" + put["count"] + b"tQ"
    arguments = identity + put["offset"] + put["size"] + put["strides"]
    call = call or b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89}tR"
    return b"\x80\x02}U\1a" + call + b"s."


TENSORS = {
    "whole": (tensor_code(), None),
    "more elements than there are": (tensor_code(size=(2,)), "beyond storage '0'"),
    "offset": (tensor_code(offset=1), "beyond storage '0'"),
    "negative offset": (tensor_code(offset=-1), "has no shape"),
    "strides": (tensor_code(count=3, size=(2,), strides=(3,)), "beyond storage '0'"),
    "negative size": (tensor_code(size=(-1,)), "has no shape"),
    "negative strides": (tensor_code(strides=(-1,)), "has no shape"),
    "size that is a number": (tensor_code(size=3), "has no shape"),
    "size that is text": (tensor_code(size=("a",)), "has no shape"),
    "more sizes than strides": (tensor_code(size=(1, 1)), "beyond storage '0'"),
    "40 dimensions": (tensor_code(size=(1,) * 40, strides=(1,) * 40), "has no shape"),
    "one element a billion times": (tensor_code(size=(10**9,), strides=(0,)), "beyond"),
    "storage that claims too much": (tensor_code(count=10**12, size=(10**12,)), "would take 4,000"),
    "storage that claims one more": (tensor_code(count=2), "shorter than it says"),
    "torch.Size": (tensor_code(size=b"ctorch\nSize\nK\1\x85\x85R"), None),
    "size that is a call of nothing": (tensor_code(size=b"ctorch\nSize\nNR"), "has no shape"),
    "empty, and huge": (tensor_code(size=(0, 10**30), strides=(1, 1)), "damaged"),
    "reference to a module": (tensor_code(b"(U\6moduleU\1aU\1bU\1ctQ"), "no storage"),
    "reference to a number": (tensor_code(b"K\1Q"), "no storage"),
    "parameter without a tensor": (
        tensor_code(call=b"ctorch._utils\n_rebuild_parameter\n)R"),
        "holds no parameters",
    ),
    "tensor without a storage": (
        tensor_code(call=b"ctorch._utils\n_rebuild_tensor_v2\n)R"),
        "not made of a storage",
    ),
    "parameter of a parameter": (
        tensor_code(call=b"ctorch._utils\n_rebuild_parameter\n" * 2 + b"NN\x86RN\x86R"),
        "holds no parameters",
    ),
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("code, reason", TENSORS.values(), ids=TENSORS)
def test_tensors_lie_within_their_storages(tmp_path, code, reason, form):
    content = zip_bytes(code, FOUR_BYTES)
    if form == "legacy":
        content = legacy_bytes(code, FOUR_BYTES if b"storage" in code else {}, [4])
    if reason is None:
        (tmp_path / "a.pth").write_bytes(content)
        assert torch_file.load(tmp_path / "a.pth")[0]["a"].tolist() == [0]
    else:
        assert reason in refusal(tmp_path / "a.pth", content)


def test_tensors_that_share_a_storage_cannot_fill_the_memory(tmp_path):
    call = tensor_code(count=4000, size=(4000,))[6:-2]
    elements = {"0": bytes(16000)}
    path = tmp_path / "a.pth"
    for count, is_allowed in ((4, True), (1000, False)):
        names = [pickle.dumps(f"name {i}", 2)[2:-1] for i in range(count)]
        code = b"\x80\x02}(" + b"".join(name + call for name in names) + b"u."
        if is_allowed:
            path.write_bytes(zip_bytes(code, elements))
            assert len(torch_file.load(path)[0]) == count
        else:
            assert "its tensors would take 16,000,000 bytes" in refusal(
                path, zip_bytes(code, elements)
            )


STRUCTURES = {
    "itself": b"\x80\x02}q\0U\5modelh\0s.",
    "deep": b"\x80\x02}U\5model" + b"}U\1a" * 10_000 + b"N" + b"s" * 10_000 + b"s.",
    "deep tuple": b"\x80\x02}U\1aN" + b"\x85" * 20_000 + b"s.",
    "a list": b"\x80\x02].",
    "empty": b"",
    "text that is not there": b"\x80\x02X\xff\xff\xff\x7fabc.",
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("code", STRUCTURES.values(), ids=STRUCTURES)
def test_structures_that_hold_no_parameters(tmp_path, code, form):
    content = zip_bytes(code, {}) if form == "zip" else legacy_bytes(code, {}, [])
    assert "cannot be read as a file of torch.save: " in refusal(tmp_path / "a.pth", content)


def test_compressed_records_are_refused(tmp_path):
    """A gigabyte in a megabyte: torch.save never compresses."""
    bomb = zip_bytes(code_of(ONE), {"0": bytes(10**8)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    assert "is compressed" in refusal(tmp_path / "a.pth", bomb)


def changed_entry(content, name, **changes):
    """An archive with other fields in the directory's entry of a record."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.start_dir
    places = {"method": (10, "<H"), "flags": (8, "<H"), "crc": (16, "<L"), "size": (24, "<L")}
    places |= {"stored": (20, "<L"), "place": (42, "<L")}
    archive = bytearray(content)
    entry = archive.index(name.encode(), start) - 46
    for field, value in changes.items():
        offset, form = places[field]
        struct.pack_into(form, archive, entry + offset, value)
    return bytes(archive)


def test_records_that_are_not_where_the_archive_says(tmp_path):
    whole = zip_bytes(code_of(ONE), elements_of(ONE))
    path, name = tmp_path / "a.pth", "archive/data/0"
    changes = {
        "goes on beyond its end": {"size": 2**31, "stored": 2**31},
        "lies within another one": {"place": 0},
        "is compressed": {"size": 2**31},
        "Bad CRC-32": {"crc": 1},
        "encrypted": {"flags": 1},
    }
    for reason, change in changes.items():
        assert reason in refusal(path, changed_entry(whole, name, **change)), reason


def test_archives_of_other_contents(tmp_path):
    path, code = tmp_path / "a.pth", code_of(ONE)
    assert "'data/0' is missing" in refusal(path, zip_bytes(code, {}))
    assert "minigrad.json is damaged" in refusal(
        path, zip_bytes(code, elements_of(ONE), **{"minigrad.json": b"[" * 100_000})
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "text")
    assert "not one of torch.save: data.pkl is missing" in refusal(path, file.getvalue())
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/data.pkl", code)
    assert "two of its records have one name" in refusal(path, file.getvalue())


def test_directory_of_millions_of_records_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_records, "MAX_DIRECTORY", 10_000)
    monkeypatch.setattr(torch_records._File, "limit", 10_000)
    many = {str(number): b"" for number in range(500)}
    assert "its directory is too long" in refusal(tmp_path / "a.pth", zip_bytes(b"", many))


def test_structure_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_records, "MAX_STRUCTURE", 1000)
    content = zip_bytes(b"\x80\x02" + b"N" * 1000 + b".", {})
    assert "'data.pkl' is too long: 1,003 bytes" in refusal(tmp_path / "a.pth", content)


def test_storages_of_the_old_form(tmp_path):
    code, whole = code_of(ONE), elements_of(ONE)
    path = tmp_path / "a.pth"
    content = legacy_bytes(code, whole, [4])
    count = content.rindex(struct.pack("<q", 2))
    for number in (3, 2**61, 2**62, -1, -(2**63)):
        damaged = content[:count] + struct.pack("<q", number) + content[count + 8 :]
        assert "it is truncated" in refusal(path, damaged)
    shorter = content[:count] + struct.pack("<q", 1) + content[count + 8 :]
    assert "storage '0' is shorter than it says" in refusal(path, shorter)
    assert "storage '0' is missing" in refusal(path, legacy_bytes(code, {}, []))
    assert "keys of its storages are damaged" in refusal(
        path, legacy_bytes(code, whole, [4], keys=["other"])
    )
    assert "keys of its storages are damaged" in refusal(
        path, legacy_bytes(code, whole, [4], keys=3)
    )
    newer = content.replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2), 1)
    assert "its version is 1002, expected 1001" in refusal(path, newer)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_truncated_anywhere(tmp_path, form):
    write = torch_files.write_zip if form == "zip" else torch_files.write_legacy
    write(tmp_path)
    whole = (tmp_path / "parameters.pth").read_bytes()
    head = len(torch_records.LEGACY_HEAD)
    for length in [*range(head, len(whole), 37), len(whole) - 1]:
        refusal(tmp_path / "cut.pth", whole[:length])


@pytest.mark.parametrize("kind", ["torch", "torch-legacy", "torch-own"])
def test_random_damage(tmp_path, kind):
    corpus = fuzz_data.Corpus(tmp_path, {kind: KINDS[kind]}, seed=3)
    read = sum(corpus.read(corpus.input(index)) for index in range(120))
    assert 0 < read < 60


def test_checksums_see_a_flipped_bit(tmp_path):
    torch_files.write_zip(tmp_path)
    path = tmp_path / "parameters.pth"
    whole = path.read_bytes()
    place = whole.index(ARRAYS["classifier.1.weight"].tobytes())
    generator = random.Random(0)
    for _ in range(20):
        damaged = bytearray(whole)
        damaged[place + generator.randrange(80)] ^= 1 << generator.randrange(8)
        assert "Bad CRC-32" in refusal(path, bytes(damaged))
