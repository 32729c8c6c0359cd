"""Checkpoints: every field comes back; what is damaged or foreign is refused in one line."""

import dataclasses
import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.run.checkpoint import Checkpoint, CheckpointError, _checksum
from minigrad import Tensor, io, nn, optim
from tests.alexnet.narrow import NarrowAlexNet

load = io.load
PREPROCESSING = Preprocessing(
    image_size=67,
    resize=80,
    mean=(0.1, 1 / 3, 255.0),
    scale=1 / 64,
    eigenvectors=((1.0, 0.25, 0.5), (0.0, 1.0, 0.125), (0.75, 0.0, 1.0)),
    standard_deviations=(60.5, 1e-17, 0.0),
)


@pytest.fixture
def checkpoint():
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    return Checkpoint(
        architecture="alexnet",
        classes=["ant", 'bée, "quoted"\n', "\u732b"],
        preprocessing=PREPROCESSING,
        arguments={
            "lr": 0.1 + 0.2,
            "subset": None,
            "data_root": "photos/\udcff",
            "seed": 2**63 - 1,
        },
        data={"training": {"images": 7, "sha256": "ab"}},
        training={"epoch": 3, "loss": {"total": 1e-300, "count": 7}, "best_top1": -1.0},
        schedule={"steps": 12, "best_error": float("inf")},
        random_keys={"seed": 2**63 - 1, "call": 41},
        model=network.state_dict(),
        optimizer={
            "0.0.velocity": np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32),
            "0.0.step": np.asarray(12),
        },
    )


@pytest.fixture
def path(checkpoint, tmp_path):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path)
    return path


def test_network_whose_layers_share_a_weight(checkpoint, path):
    def tied():
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        return nn.Sequential(first, second)

    def train(network, optimizer):
        network.zero_grad()
        network(Tensor(np.eye(3, dtype=np.float32))).sum().backward()
        optimizer.step()

    network, other = tied(), tied()
    optimizers = [optim.SGD(net.parameters(), 0.1, 0.9) for net in (network, other)]
    train(network, optimizers[0])
    dataclasses.replace(
        checkpoint, model=network.state_dict(), optimizer=optimizers[0].state_dict()
    ).save(path)
    loaded = Checkpoint.load(path)
    loaded.restore(other)
    optimizers[1].load_state_dict(loaded.optimizer)
    train(network, optimizers[0])
    train(other, optimizers[1])
    assert other[1].weight is other[0].weight
    for name, array in network.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


def assert_refused(path, expected):
    with pytest.raises(CheckpointError, match=expected) as raised:
        Checkpoint.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def assert_equal_arrays(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        assert array.shape == other[name].shape, name
        assert array.tobytes() == other[name].tobytes(), name


def test_without_the_optimizer(checkpoint, path, monkeypatch):
    read = []
    monkeypatch.setattr(io, "load", lambda *a, **k: read.append(load(*a, **k)) or read[-1])
    loaded = Checkpoint.load(path, optimizer=False)
    assert len(read) == 1 and not any(name.startswith("optimizer.") for name in read[0][0])
    assert loaded.optimizer == {}
    assert_equal_arrays(checkpoint.model, loaded.model)
    assert loaded.preprocessing == PREPROCESSING


def test_a_flipped_bit_is_found_without_the_optimizer(checkpoint, path):
    content = path.read_bytes()
    weight = checkpoint.model["0.weight"].tobytes()
    assert content.count(weight) == 1
    place = content.index(weight)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(path, optimizer=False)


def test_every_field_comes_back(checkpoint, path):
    loaded = Checkpoint.load(path)
    for field in dataclasses.fields(Checkpoint):
        before, after = getattr(checkpoint, field.name), getattr(loaded, field.name)
        if field.name in ("model", "optimizer"):
            assert_equal_arrays(before, after)
        else:
            assert before == after, field.name
    assert os.listdir(path.parent) == [path.name]


HALF = pytest.mark.parametrize("dtype", ["float16", "bfloat16"])


@pytest.fixture
def alone(checkpoint):
    """The network alone, which subtracts a mean image."""
    image = np.random.default_rng(0).random((3, 67, 67), np.float32)
    preprocessing = dataclasses.replace(PREPROCESSING, mean_image=image)
    return dataclasses.replace(
        checkpoint, preprocessing=preprocessing, schedule={}, random_keys={}, optimizer={}
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("plain_names", [False, True])
def test_types_and_names_of_the_parameters(alone, tmp_path, dtype, plain_names):
    alone.save(tmp_path / "a", dtype, plain_names)
    expected = {name: np.float32(io.rounded(array, dtype)) for name, array in alone.model.items()}
    for optimizer in (True, False):
        loaded = Checkpoint.load(tmp_path / "a", optimizer)
        assert_equal_arrays(expected, loaded.model)
        np.testing.assert_array_equal(
            loaded.preprocessing.mean_image, alone.preprocessing.mean_image
        )
        for field in dataclasses.fields(Checkpoint):
            if field.name != "model":
                assert getattr(loaded, field.name) == getattr(alone, field.name)
    if plain_names:
        assert io.load(tmp_path / "a")[0].keys() == alone.model.keys()


@HALF
def test_halved_files_are_half_as_large_and_refused_by_older_programs(alone, tmp_path, dtype):
    alone.model = {"weight": np.ones((100, 100), np.float32)}
    alone.preprocessing = PREPROCESSING
    alone.save(tmp_path / "whole")
    alone.save(tmp_path / "half", dtype)
    whole, half = ((tmp_path / name).stat().st_size for name in ("whole", "half"))
    assert whole - half == pytest.approx(20_000, abs=50)
    assert io.load(tmp_path / "whole")[1]["format_version"] == "2"
    assert io.load(tmp_path / "half")[1]["format_version"] == "3"


@pytest.mark.parametrize("plain_names", [False, True])
@HALF
def test_a_flipped_bit_in_a_halved_file(alone, tmp_path, dtype, plain_names):
    path = tmp_path / "a"
    small = np.zeros((3, 3, 3), np.float32)
    alone.preprocessing = dataclasses.replace(PREPROCESSING, image_size=3, mean_image=small)
    alone.save(path, dtype, plain_names)
    test_a_flipped_bit_anywhere_is_noticed(path)


@pytest.mark.parametrize("image", ["AAAA", "not base64", ""])
def test_a_damaged_mean_image_in_the_metadata(alone, tmp_path, image):
    alone.save(tmp_path / "a", plain_names=True)
    arrays, metadata = io.load(tmp_path / "a")
    save_with_checksum(tmp_path / "a", arrays, {**metadata, "preprocessing.mean_image": image})
    assert_refused(tmp_path / "a", r"has damaged metadata \(.+\)")


def test_a_network_alone_is_no_run(checkpoint, alone):
    checkpoint.require_run(Path("last.safetensors"))
    with pytest.raises(CheckpointError) as raised:
        alone.require_run(Path("my network.safetensors"))
    assert str(raised.value) == (
        "my network.safetensors holds a network alone, without what its training needs to go on; "
        "to train it further, begin a new run with --init-from 'my network.safetensors'"
    )


def test_missing_file(tmp_path):
    assert_refused(tmp_path / "none.safetensors", "does not exist")


@pytest.mark.parametrize("part", [0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(path, part):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert_refused(path, "is not a readable checkpoint")


def test_a_flipped_bit_anywhere_is_noticed(path):
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError) as error:
            Checkpoint.load(path)
        assert "\n" not in str(error.value), position


def test_text_and_folders_are_no_checkpoints(tmp_path):
    (tmp_path / "notes.txt").write_text("a text\nof two lines")
    for path in (tmp_path / "notes.txt", tmp_path):
        assert_refused(path, "is not a readable checkpoint")


def test_weights_of_another_program(path):
    io.save(path, {"features.0.weight": np.zeros((2, 3), np.float32)}, {"format": "pt"})
    assert_refused(path, "its format version is missing, expected 2 or 3")


def test_another_version(path):
    arrays, metadata = io.load(path)
    io.save(path, arrays, {**metadata, "format_version": "1"})
    assert_refused(path, "its format version is 1, expected 2 or 3")


VARIANT = {"norm": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}, "pool_before_norm": True}


def test_a_variant_of_the_network_comes_back_and_is_built(narrow, path, checkpoint):
    model = NarrowAlexNet(2, 67, **VARIANT).eval()
    stored = dataclasses.replace(
        checkpoint, classes=["a", "b"], network=VARIANT, model=model.state_dict()
    )
    stored.save(path)
    for optimizer in (True, False):
        loaded = Checkpoint.load(path, optimizer)
        assert loaded.network == VARIANT
    images = Tensor(np.random.default_rng(0).standard_normal((2, 3, 67, 67)).astype(np.float32))
    np.testing.assert_array_equal(loaded.build()(images).numpy(), model(images).numpy())
    plain = dataclasses.replace(loaded, network={}).build()
    assert not np.array_equal(plain(images).numpy(), model(images).numpy())


def test_only_a_variant_makes_a_file_that_earlier_programs_refuse(checkpoint, path):
    metadata = io.load(path)[1]
    assert metadata["format_version"] == "2" and "network" not in metadata
    dataclasses.replace(checkpoint, network=VARIANT).save(path)
    arrays, metadata = io.load(path)
    assert metadata["format_version"] == "3"
    io.save(path, arrays, {**metadata, "network": '{"norm": {"k": 2.0}}'})
    assert_refused(path, "is damaged: its checksum")


@pytest.mark.parametrize(
    "network, expected",
    [
        ("[]", "network is no dict"),
        ("{", "Expecting property name"),
        ('{"width": 1000000}', "width cannot be 1000000"),
        ('{"norm": {"k": 0}}', "norm: k cannot be 0"),
        ('{"norm": {"k": NaN}}', "norm: k cannot be nan"),
        (None, "'network'"),
    ],
)
def test_a_senseless_variant(checkpoint, path, network, expected):
    dataclasses.replace(checkpoint, network=VARIANT).save(path)
    arrays, metadata = io.load(path)
    del metadata["network"]
    if network is not None:
        metadata["network"] = network
    save_with_checksum(path, arrays, metadata)
    assert_refused(path, rf"has damaged metadata \({expected}")


JSON_FIELDS = (
    *("architecture", "classes", "preprocessing", "arguments", "training", "schedule"),
    "random_keys",
)


def save_with_checksum(path, arrays, metadata):
    """As another program would: complete, but with other contents."""
    del metadata["checksum"]
    io.save(path, arrays, {**metadata, "checksum": _checksum(arrays, metadata)})


def test_a_missing_checksum_is_damage(path):
    arrays, metadata = io.load(path)
    del metadata["checksum"]
    io.save(path, arrays, metadata)
    assert_refused(path, "is damaged: its checksum")


@pytest.mark.parametrize("name", JSON_FIELDS)
def test_missing_metadata(path, name):
    arrays, metadata = io.load(path)
    del metadata[name]
    save_with_checksum(path, arrays, metadata)
    assert_refused(path, rf"has damaged metadata \('{name}'\)")


@pytest.mark.parametrize(
    "name, text",
    [
        *((name, text) for name in JSON_FIELDS for text in ("", "{", "1", "null")),
        ("preprocessing", '{"image_size": 3}'),
        ("preprocessing", json.dumps({**PREPROCESSING.to_metadata(), "image_size": 81})),
        ("preprocessing", json.dumps({**PREPROCESSING.to_metadata(), "mean": 1.0})),
        *(
            ("preprocessing", json.dumps({**PREPROCESSING.to_metadata(), name: value}))
            for name, value in (
                *(("image_size", 67.0), ("resize", 80.5), ("image_size", True)),
                *(("mean", ["a", 1, 2]), ("mean", [1, 2]), ("mean", [1, 2, math.nan])),
                *(("scale", "1); print(1"), ("scale", None), ("scale", [1, "2", 3])),
                *(("eigenvectors", [[1, 0, 0]]), ("standard_deviations", [1, 2, math.inf])),
            )
        ),
    ],
)
def test_senseless_metadata(path, name, text):
    arrays, metadata = io.load(path)
    save_with_checksum(path, arrays, {**metadata, name: text})
    assert_refused(path, r"has damaged metadata \(.+\)")


def test_another_network_or_other_classes_are_refused(checkpoint):
    classes = checkpoint.classes
    checkpoint.require("alexnet", list(classes))
    for architecture, other, expected in (
        ("owt", classes, "holds the network 'alexnet', not 'owt'"),
        ("alexnet", classes[:2], "has 3 classes, the data have 2"),
        ("alexnet", [*classes, "wasp"], "has 3 classes, the data have 4"),
        ("alexnet", [*classes[:2], "dog"], "class 2 is '\u732b' in the checkpoint and 'dog' in"),
        ("alexnet", classes[::-1], "class 0 is 'ant' in the checkpoint and '\u732b' in the data"),
    ):
        with pytest.raises(CheckpointError, match=expected):
            checkpoint.require(architecture, other)


def test_restore(checkpoint):
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    assert not np.array_equal(network[0].weight.data, checkpoint.model["0.weight"])
    checkpoint.restore(network)
    assert_equal_arrays(network.state_dict(), checkpoint.model)
    network[0].weight.data[...] = 5
    assert not (checkpoint.model["0.weight"] == 5).any()


@pytest.mark.parametrize(
    "layers, expected",
    [
        ([nn.Linear(3, 2)], "unknown .*1.weight"),
        ([nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2)], "missing .*2.weight"),
        ([nn.Linear(3, 2), nn.Linear(2, 5)], "1.weight has shape"),
    ],
)
def test_restore_into_another_network(checkpoint, layers, expected):
    network = nn.Sequential(*layers)
    before = network[0].weight.data.copy()
    with pytest.raises(CheckpointError, match=f"does not fit the network: .*{expected}") as raised:
        checkpoint.restore(network)
    assert "\n" not in str(raised.value)
    assert np.array_equal(network[0].weight.data, before)


@pytest.mark.parametrize(
    "step", ["minigrad.io.serialize_file", "alexnet.files.os.fsync", "alexnet.files.os.replace"]
)
def test_a_full_disk_leaves_the_old_file(checkpoint, path, monkeypatch, step):
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(step, fail)
    checkpoint.training["epoch"] = 4
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_none(checkpoint, path):
    with pytest.raises(OSError, match="Not a directory|No such file"):
        checkpoint.save(path / "inside" / "last.safetensors")
    assert json.loads(io.load(path)[1]["training"])["epoch"] == 3
