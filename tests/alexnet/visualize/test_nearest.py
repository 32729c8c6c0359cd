"""Search for the nearest vectors against plain loops, and the file of an index."""

import dataclasses

import numpy as np
import pytest

from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.inference.features import Features
from alexnet.run.checkpoint import Checkpoint
from alexnet.visualize import nearest
from minigrad import io


def distance(a, b, kind):
    a, b = a.astype(np.float64), b.astype(np.float64)
    if kind == "euclidean":
        return np.sqrt(((a - b) ** 2).sum())
    lengths = np.sqrt((a**2).sum()) * np.sqrt((b**2).sum())
    return 1.0 if lengths == 0 else 1 - (a * b).sum() / lengths


def by_brute_force(queries, index, k, kind):
    found = []
    for query in queries:
        pairs = [(distance(query, row, kind), i) for i, row in enumerate(index)]
        found.append(sorted(pairs)[:k])
    return np.array([[i for _, i in row] for row in found]), np.array(
        [[d for d, _ in row] for row in found]
    )


@pytest.mark.parametrize("kind", nearest.DISTANCES)
@pytest.mark.parametrize("k", [1, 6, 37])
def test_against_brute_force(kind, k, rng, monkeypatch):
    monkeypatch.setattr(nearest, "QUERY_ROWS", 4)
    monkeypatch.setattr(nearest, "INDEX_ROWS", 10)
    queries = rng.standard_normal((11, 5)).astype(np.float32)
    index = rng.standard_normal((37, 5)).astype(np.float32)
    index[3] = 0
    positions, distances = nearest.nearest(queries, index, k, kind)
    expected, expected_distances = by_brute_force(queries, index, k, kind)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_allclose(distances, expected_distances, atol=1e-12)


@pytest.mark.parametrize("kind", nearest.DISTANCES)
def test_of_equal_distances_the_first_in_order(kind, rng):
    """Small whole numbers and powers of two: no rounding, so many distances are equal."""
    index = np.array([[2, 0], [0, 2], [2, 0], [0, 2], [4, 0], [2, 0], [0, 2]], np.float32)
    positions, distances = nearest.nearest(np.array([[1, 0]], np.float32), index, 4, kind)
    expected = {"euclidean": [0, 2, 5, 1], "cosine": [0, 2, 4, 5]}[kind]
    assert positions.tolist() == [expected]
    assert nearest.nearest(index[:1], index, 1, kind)[1] == 0


def test_an_image_is_at_distance_zero_from_itself_far_from_the_origin(rng):
    index = (1000 + rng.standard_normal((20, 4096))).astype(np.float32)
    positions, distances = nearest.nearest(index, index, 2)
    assert positions[:, 0].tolist() == list(range(20))
    assert distances[:, 0].max() < 1e-2 < 10 < distances[:, 1].min()


def test_precision():
    neighbors = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 2], [3, 3, 0]])
    mean, class_shares = nearest.precision(neighbors, np.array([0, 1, 1, 3]), 4)
    assert class_shares == pytest.approx([2 / 3, 2 / 3, None, 2 / 3])
    assert mean == pytest.approx((2 + 3 + 1 + 2) / 12)


# -- the file ------------------------------------------------------------------------------------


class Named:
    def __init__(self, names, labels):
        self.names, self.labels = names, np.array(labels)

    def __len__(self):
        return len(self.names)

    def name(self, index):
        return self.names[index]


@pytest.fixture
def checkpoint(rng):
    return Checkpoint(
        "alexnet",
        ["a", "b"],
        Preprocessing(image_size=67, mean=(1, 2, 3)),
        model={"weight": rng.standard_normal((3, 3)), "bias": np.zeros(3)},
    )


IMAGES = Named(["x", "y", "z"], [0, 1, 0])


@pytest.fixture
def index(rng):
    values = rng.standard_normal((3, 4)).astype(np.float32)
    return Features(values, np.array([0, 1, 0]), np.arange(3))


def test_an_index_comes_back_for_the_same_network_and_images(checkpoint, index, tmp_path):
    path = tmp_path / "index.safetensors"
    nearest.save(path, index, nearest.identity(checkpoint, IMAGES, "fc7"))
    # What training leaves besides the weights does not matter.
    same = dataclasses.replace(checkpoint, arguments={"lr": 1}, optimizer={"v": np.ones(1)})
    loaded = nearest.load(path, nearest.identity(same, IMAGES, "fc7"))
    for part, expected in zip(loaded, index):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    "what", ["weight", "mean", "mean image", "variant", "label", "name", "fewer", "layer"]
)
def test_an_index_of_something_else_is_refused(what, checkpoint, index, tmp_path):
    path = tmp_path / "index.safetensors"
    nearest.save(path, index, nearest.identity(checkpoint, IMAGES, "fc7"))
    images, layer, expected = IMAGES, "fc7", "network"
    preprocessing = checkpoint.preprocessing
    if what == "weight":
        checkpoint.model["weight"] = np.nextafter(checkpoint.model["weight"], 9)
    elif what == "mean":
        checkpoint.preprocessing = dataclasses.replace(preprocessing, mean=(1, 2, 4))
    elif what == "mean image":
        image = np.zeros((3, 67, 67), np.float32)
        checkpoint.preprocessing = dataclasses.replace(preprocessing, mean_image=image)
    elif what == "variant":
        checkpoint.network = {"norm": {"kind": "none"}}
    elif what == "layer":
        layer, expected = "fc6", "layer"
    else:
        names, labels = {
            "label": (IMAGES.names, [0, 1, 1]),
            "name": (["x", "y", "w"], IMAGES.labels),
            "fewer": (["x", "y"], [0, 1]),
        }[what]
        images, expected = Named(names, labels), "set of images"
    with pytest.raises(nearest.OtherIndex, match=f"index of another {expected}$"):
        nearest.load(path, nearest.identity(checkpoint, images, layer))


def test_a_file_that_is_no_index(checkpoint, index, tmp_path):
    belongs_to = nearest.identity(checkpoint, IMAGES, "fc7")
    path = tmp_path / "file"
    path.write_text("text")
    with pytest.raises(CheckpointError, match="not a readable"):
        nearest.load(path, belongs_to)
    checkpoint.save(path)
    with pytest.raises(CheckpointError, match="is no index of images"):
        nearest.load(path, belongs_to)
    for damaged in (
        index._replace(labels=index.labels[:2]),
        index._replace(values=index.values[0]),
        index._replace(indices=index.indices[:1]),
    ):
        nearest.save(path, damaged, belongs_to)
        with pytest.raises(CheckpointError, match="is no index of images"):
            nearest.load(path, belongs_to)
    io.save(path, index._asdict(), {"index": "[]"})
    with pytest.raises(CheckpointError, match="is no index of images"):
        nearest.load(path, belongs_to)
