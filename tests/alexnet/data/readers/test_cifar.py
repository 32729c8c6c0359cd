"""CIFAR-10 and CIFAR-100 in both versions, with files as the official ones but for their length."""

import hashlib
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from alexnet import pickles
from alexnet.data import load
from alexnet.data.readers import cifar, pickled
from alexnet.errors import DataError

VERSIONS = [(name, version) for name in cifar.SETS for version in (0, 1)]
COARSE = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables "
    "household_electrical_devices household_furniture insects large_carnivores "
    "large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores "
    "medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 "
    "vehicles_2"
).split()


@pytest.fixture(autouse=True)
def few_records(monkeypatch):
    monkeypatch.setattr(cifar, "RECORDS", {"train": 20, "validation": 6})


class Python2Pickle:
    """Pickles as Python 2 writes them with protocol 2, which the Python of today no longer can."""

    def __init__(self):
        self.count = 0

    def dump(self, value) -> bytes:
        return b"\x80\x02" + self.code(value) + b"."

    def put(self) -> bytes:
        self.count += 1
        return b"q%c" % self.count if self.count < 256 else b"r" + struct.pack("<I", self.count)

    def code(self, value) -> bytes:
        if isinstance(value, bytes):  # the code of a value, as it is
            return value
        if isinstance(value, int):
            kinds = ("K", "<B", 256), ("M", "<H", 65_536), ("J", "<i", 2**31)
            opcode, layout, _ = next(kind for kind in kinds if 0 <= value < kind[2])
            return opcode.encode() + struct.pack(layout, value)
        if isinstance(value, str):
            return b"U%c%s" % (len(value), value.encode()) + self.put()
        if isinstance(value, list):
            begin = b"]" + self.put()
            return begin + b"(" + b"".join(map(self.code, value)) + b"e"
        if isinstance(value, dict):
            begin = b"}" + self.put()
            return begin + b"(" + b"".join(self.code(x) for kv in value.items() for x in kv) + b"u"
        contents = value.tobytes("A")
        return b"".join(
            (
                *(b"cnumpy.core.multiarray\n_reconstruct\n", self.put()),
                *(b"cnumpy\nndarray\n", self.put(), b"K\0\x85U\1b\x87R", self.put(), b"(K\1"),
                *(self.code(value.shape[0]), self.code(value.shape[1]), b"\x86"),
                *(b"cnumpy\ndtype\n", self.put(), b"U\2u1K\0K\1\x87R", self.put()),
                b"(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb",
                b"\x89" if value.flags.c_contiguous else b"\x88",
                *(b"T", struct.pack("<I", len(contents)), contents, self.put(), b"tb"),
            )
        )


def dump(value) -> bytes:
    return Python2Pickle().dump(value)


def batch(name, labels, pixels) -> dict:
    if name == "cifar10":
        return {"batch_label": "training batch", "labels": labels.tolist(), "data": pixels}
    coarse = [label // 5 for label in labels.tolist()]
    return {"fine_labels": labels.tolist(), "coarse_labels": coarse, "data": pixels}


def write(root, name, number, splits):
    """Write {split: (labels, pixels)} as version `number` of a set; gives its folder."""
    version = cifar.SETS[name].versions[number]
    folder = root / version.folder
    folder.mkdir(parents=True)
    for split, (labels, pixels) in splits.items():
        paths = [folder / file for file in version.files[split]]
        for i, path in enumerate(paths):
            part = slice(i * len(labels) // len(paths), (i + 1) * len(labels) // len(paths))
            if number == 1:
                path.write_bytes(dump(batch(name, labels[part], pixels[part])))
            else:
                columns = labels[part, None], pixels[part]
                if name == "cifar100":
                    columns = (labels[part, None] // 5, *columns)
                path.write_bytes(np.hstack(columns).astype(np.uint8).tobytes())
    return folder


def random_splits(name, rng):
    classes = len(cifar.SETS[name].classes)
    return {
        split: (rng.integers(0, classes, count), rng.integers(0, 256, (count, 3072), np.uint8))
        for split, count in cifar.RECORDS.items()
    }


@pytest.fixture(params=VERSIONS, ids=lambda v: cifar.SETS[v[0]].versions[v[1]].folder)
def written(request, tmp_path, rng):
    """name, folder, and the records in a set of every version."""
    name, version = request.param
    splits = random_splits(name, rng)
    return name, write(tmp_path, name, version, splits), splits


def test_the_tests_write_what_python_2_wrote():
    """The checksums of the official batches.meta and meta."""
    names = cifar.SETS["cifar10"].classes
    meta = {"num_cases_per_batch": 10_000, "label_names": names, "num_vis": 3072}
    assert hashlib.md5(dump(meta)).hexdigest() == "5ff9c542aee3614f3951f8cda6e48888"
    meta = {"fine_label_names": cifar.SETS["cifar100"].classes, "coarse_label_names": COARSE}
    assert hashlib.md5(dump(meta)).hexdigest() == "7973b15100ade9c7d40fb424638fde48"
    pixels = np.arange(6 * 3072, dtype=np.uint8).reshape(6, 3072)
    both = dump({"labels": [1, 2], "c": pixels, "f": np.asfortranarray(pixels)})
    loaded = pickle.loads(both, encoding="bytes")
    assert loaded[b"labels"] == [1, 2]
    assert (loaded[b"c"] == pixels).all() and (loaded[b"f"] == pixels).all()


def test_every_record_in_the_order_of_classes(written):
    name, folder, splits = written
    for root in (folder, folder.parent):
        for source in ("auto", name):
            sets = load(source, root)
            assert list(sets) == ["train", "validation"]
            for split, (labels, pixels) in splits.items():
                order = sorted(range(len(labels)), key=lambda i: labels[i])
                assert sets[split].labels.tolist() == sorted(labels)
                assert sets[split].labels.dtype == np.int64
                assert len(sets[split]) == len(labels)
                for index, record in enumerate(order):
                    image = sets[split].image(index)
                    expected = pixels[record].reshape(3, 32, 32).transpose(1, 2, 0)
                    assert np.array_equal(image, expected)
                    assert image.dtype == np.uint8 and image.flags.c_contiguous
                assert sets[split].classes == cifar.SETS[name].classes


def test_name_of_an_image(tmp_path, rng):
    splits = random_splits("cifar10", rng)
    splits["train"] = (np.array([9] * 13 + [0] + [9] * 6), splits["train"][1])
    folder = write(tmp_path, "cifar10", 0, splits)
    assert load("auto", tmp_path)["train"].name(0) == f"{folder}/data_batch_4.bin, record 1"


def test_pixels_in_fortran_order(tmp_path, rng):
    splits = random_splits("cifar10", rng)
    write(tmp_path, "cifar10", 1, splits)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    labels, pixels = splits["validation"]
    before = load("cifar10", tmp_path)["validation"]
    path.unlink()  # it stays mapped
    path.write_bytes(dump(batch("cifar10", labels, np.asfortranarray(pixels))))
    after = load("cifar10", tmp_path)["validation"]
    assert all(np.array_equal(before.image(i), after.image(i)) for i in range(6))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    "name, key", [("cifar10", "label_names"), ("cifar100", "fine_label_names")]
)
def test_class_names_are_those_of_the_file(tmp_path, rng, name, key, version):
    path = write(tmp_path, name, version, random_splits(name, rng))
    path /= cifar.SETS[name].versions[version].names_file

    def write_names(names):
        text = "\n".join(names) + "\n\n"
        path.write_bytes(text.encode() if version == 0 else dump({key: names}))

    names = [f"name {i}" for i in range(len(cifar.SETS[name].classes))]
    write_names(names)
    assert load(name, tmp_path)["validation"].classes == names
    write_names(names[:3])
    with pytest.raises(DataError, match=rf"{path.name}: 3 class names, not {len(names)}; remove"):
        load(name, tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError) as error:
        load("cifar100", tmp_path)
    assert str(error.value).startswith(
        f"{tmp_path}: has no files of CIFAR-100; get them with: "
        f"python -m alexnet.data fetch cifar100 --data-root {tmp_path} (or unpack"
    )


def assert_unusable(name, folder, expected):
    """`expected`, then what to do, in one line."""
    with pytest.raises(DataError) as error:
        load(name, folder.parent)
    advice = f"; remove {folder} and get the set again: python -m alexnet.data fetch {name} --data"
    assert f"{expected}{advice}" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file(written):
    name, folder, _ = written
    path = max(folder.iterdir())
    path.unlink()
    assert_unusable(name, folder, f"{path}: no such file")


@pytest.mark.parametrize("change", [-1, 3073, -(10**9)])
def test_wrong_size_of_a_binary_file(tmp_path, rng, change):
    folder = write(tmp_path, "cifar10", 0, random_splits("cifar10", rng))
    path, size = folder / "test_batch.bin", 6 * 3073
    path.write_bytes(bytes(max(0, size + change)))
    found = max(0, size + change)
    assert_unusable("cifar10", folder, f"{path}: {found:,} bytes where it must have 18,438")


@pytest.mark.parametrize("name, version", VERSIONS)
def test_label_out_of_range(tmp_path, rng, name, version):
    splits, classes = random_splits(name, rng), len(cifar.SETS[name].classes)
    splits["validation"][0][5] = classes
    folder = write(tmp_path, name, version, splits)
    path = folder / cifar.SETS[name].versions[version].files["validation"][0]
    assert_unusable(name, folder, f"{path}: damaged, it has a label beyond 0 to {classes - 1}")


# -- pickles ----------------------------------------------------------------------------------


@pytest.fixture
def pickled_batch(tmp_path, rng):
    """The last file to be read of the Python version."""
    folder = write(tmp_path, "cifar10", 1, random_splits("cifar10", rng))
    return folder / "test_batch"


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"labels": [1] * 5}, "its 'labels' are not 6 numbers"),
        ({"labels": [1, 2, 3, 4, 5, "6"]}, "its 'labels' are not 6 numbers"),
        ({"labels": {}}, "its 'labels' are not 6 numbers"),
        ({"data": np.zeros((6, 3071), np.uint8)}, "its 'data' are not 6x3072 bytes"),
        ({"data": np.zeros((5, 3072), np.uint8)}, "its 'data' are not 6x3072 bytes"),
        ({"data": [1, 2]}, "its 'data' are not 6x3072 bytes"),
        ({"data": "pixels"}, "its 'data' are not 6x3072 bytes"),
    ],
)
def test_pickle_with_other_contents(pickled_batch, changes, reason):
    whole = batch("cifar10", np.zeros(6, int), np.zeros((6, 3072), np.uint8))
    pickled_batch.write_bytes(dump(whole | changes))
    assert_unusable("cifar10", pickled_batch.parent, f"{pickled_batch}: damaged, {reason}")


def test_array_shorter_than_it_says(pickled_batch):
    code = dump(batch("cifar10", np.zeros(6, int), np.zeros((5, 3072), np.uint8)))
    pickled_batch.write_bytes(code.replace(b"(K\1K\5M", b"(K\1K\6M"))
    reason = "damaged, its 'data' are not 6x3072 bytes"
    assert_unusable("cifar10", pickled_batch.parent, f"{pickled_batch}: {reason}")


def test_pickle_that_is_no_dict(pickled_batch):
    pickled_batch.write_bytes(dump(["labels", "data"]))
    assert_unusable("cifar10", pickled_batch.parent, f"{pickled_batch}: damaged, not a dict")


def test_random_damage_is_a_data_error(pickled_batch, rng):
    """Or goes unnoticed, in a pixel."""
    version = cifar.SETS["cifar10"].versions[1]
    whole = pickled_batch.read_bytes()
    header = len(whole) - 6 * 3072
    for cut in range(header):
        pickled_batch.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="test_batch: damaged"):
            version.map_records(pickled_batch, 6)
    refused = 0
    for _ in range(500):
        damaged = bytearray(whole)
        for place in rng.integers(0, header, 3):
            damaged[place] = rng.integers(256)
        pickled_batch.write_bytes(damaged)
        try:
            version.map_records(pickled_batch, 6)
        except DataError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize(
    "code",
    [
        b"",
        b".",
        b"\x80",
        b"S'\\p'\n.",
        b"\x80\x02}(J\xff\xff\xff\x7fK\2u.",
        b"\x80\x02}h\0.",
        b"\x80\x02]]b.",
    ],
    ids="empty|no value|cut|warning|key that is a large number|memo|state of a list".split("|"),
)
def test_short_pickles_that_are_damaged(tmp_path, code):
    path = tmp_path / "short"
    path.write_bytes(code)
    with pytest.raises(DataError, match="short: damaged, or not a file of the official archive"):
        pickled.load(path, 100)


def test_value_that_is_used_twice(tmp_path):
    path = tmp_path / "twice"
    path.write_bytes(b"\x80\x02](U\1aq\1h\1e.")
    assert pickled.load(path, 100) == ["a", "a"]


def test_number_of_instructions_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_INSTRUCTIONS", 100)
    path = tmp_path / "dicts"
    path.write_bytes(b"\x80\x02" + b"}" * 98 + b".")
    assert pickled.load(path, 1000) == {}
    path.write_bytes(b"\x80\x02" + b"}" * 99 + b".")
    with pytest.raises(DataError, match="dicts: damaged"):
        pickled.load(path, 1000)


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def attacks(canary: Path) -> dict[str, bytes]:
    command = f"touch {canary}".encode()
    system = b"cposix\nsystem\n(U%c%stR" % (len(command), command)
    evaluated = b"__import__('os').system('%s')" % command
    call = (b"cos\nsystem\n", b"U%c%s" % (len(command), command))
    whole = batch("cifar10", np.zeros(6, int), np.zeros((6, 3072), np.uint8))
    return {
        "whole": b"\x80\x02" + system + b".",
        "in the place of labels": dump(whole | {"labels": system}),
        "beside what is read": dump(whole | {"more": system}),
        "protocol 0": b"cos\nsystem\n(S'" + command + b"'\ntR.",
        "INST": b"(S'" + command + b"'\nios\nsystem\n.",
        "OBJ": b"\x80\x02(" + b"".join(call) + b"o.",
        "protocol 4": pickle.dumps(Attack(canary), protocol=4),
        "protocol 5": pickle.dumps({"labels": Attack(canary)}, protocol=5),
        "eval": b"\x80\x02c__builtin__\neval\nU%c%s\x85R." % (len(evaluated), evaluated),
    }


@pytest.mark.parametrize("kind", attacks(Path("x")))
def test_nothing_in_a_pickle_is_run(pickled_batch, tmp_path, kind):
    canary = tmp_path / "canary"
    attack = attacks(canary)[kind]
    pickle.loads(attack)
    assert canary.exists(), "the attack does not even work where pickles are run"
    canary.unlink()
    pickled_batch.write_bytes(attack)
    with pytest.raises(DataError, match="test_batch: (refused|damaged)"):
        load("cifar10", tmp_path)
    assert not canary.exists()


def test_the_function_that_would_be_called_is_named(pickled_batch):
    pickled_batch.write_bytes(b"\x80\x02cos\nsystem\nU\2ls\x85R.")
    with pytest.raises(DataError, match="as a pickle it could call 'os.system'; remove"):
        load("cifar10", pickled_batch.parent)


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x80\x02T\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b".",
        b"\x80\x02Nr\xff\xff\xff\xff.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b".",
        b"\x80\x02" + b"(" * 9_000 + b"t" * 8_000,
        b"\x80\x02]" + b"](" * 5_000 + b"e" * 5_000 + b".",
        b"\x80\x02" + b"}" * 30_000 + b".",
        b"\x80\x02Nq\0" + b"h\0\x86" * 9_000 + b".",
    ],
    ids="bytes bytes8 unicode8 frame memo long tuples lists dicts pairs".split(),
)
def test_memory_is_bounded(pickled_batch, monkeypatch, bomb):
    monkeypatch.setattr(pickles, "MAX_INSTRUCTIONS", 20_000)
    pickled_batch.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(DataError, match="test_batch: damaged"):
        load("cifar10", pickled_batch.parent)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_huge_file_is_not_read(pickled_batch):
    with open(pickled_batch, "wb") as file:
        file.truncate(10**12)
    reason = "1,000,000,000,000 bytes, more than the 36,864 that it may have"
    assert_unusable("cifar10", pickled_batch.parent, f"{pickled_batch}: {reason}")


def test_deep_nesting(tmp_path):
    """Deeper than any recursion could follow; also when it is taken apart again."""
    path = tmp_path / "deep"
    depth = 150_000
    path.write_bytes(b"\x80\x02" + b"](" * depth + b"]" + b"e" * depth + b".")
    value = pickled.load(path, 10**6)
    for _ in range(depth):
        (value,) = value
    assert value == []
