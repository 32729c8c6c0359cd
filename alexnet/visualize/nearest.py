"""Nearest images in the space of a layer's activations (section 6.1 of the paper).

The features of a training set are its index. It is kept in a file, and used again only for the
same network and the same images.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from alexnet import files
from alexnet.data.dataset import Dataset
from alexnet.errors import CheckpointError
from alexnet.inference.features import Features
from alexnet.run.checkpoint import Checkpoint
from minigrad import io

DISTANCES = ("euclidean", "cosine")
# Rows compared at a time: of 4,096 values in float64, 34 MB of queries and 67 MB of the index.
QUERY_ROWS, INDEX_ROWS = 1024, 2048


class OtherIndex(Exception):
    """An index that does not belong to the network or the images at hand."""


# -- the index and its file -----------------------------------------------------------------------


def identity(checkpoint: Checkpoint, dataset: Dataset, layer: str) -> dict[str, str]:
    """What an index belongs to: checksums of a network with its preprocessing, and of its images.

    Images are identified by names and labels; to compare pixels, all would have to be read.
    """
    network = hashlib.blake2b(digest_size=16)
    arrays = dict(checkpoint.model)
    if checkpoint.preprocessing.mean_image is not None:
        arrays["mean_image"] = checkpoint.preprocessing.mean_image
    settings = [checkpoint.architecture, checkpoint.preprocessing.to_metadata()]
    if checkpoint.network:
        settings.append(checkpoint.network)
    network.update(json.dumps(settings).encode())
    for name, array in sorted(arrays.items()):
        network.update(f"{name} {array.dtype} {array.shape}".encode())
        network.update(np.ascontiguousarray(array))
    images = hashlib.blake2b(np.ascontiguousarray(dataset.labels), digest_size=16)
    for index in range(len(dataset)):
        images.update(dataset.name(index).encode("utf-8", "surrogateescape") + b"\n")
    return {
        "layer": layer,
        "network": network.hexdigest(),
        "set of images": images.hexdigest(),
    }


def save(path: Path, index: Features, belongs_to: dict[str, str]) -> None:
    """Write an index as a safetensors file; it appears complete or not at all."""
    with files.replacing(path) as temporary:
        io.save(temporary, index._asdict(), {"index": json.dumps(belongs_to)})


def load(path: Path, belongs_to: dict[str, str]) -> Features:
    """Read an index.

    Raises:
        OtherIndex: it is of another network, layer or set of images.
        CheckpointError: the file is no index.
    """
    arrays, metadata = io.load(path)
    try:
        index, found = Features(**arrays), json.loads(metadata["index"])
        count = len(index.values)
        if index.values.ndim != 2 or not index.labels.shape == index.indices.shape == (count,):
            raise ValueError
        other = [part for part in belongs_to if found[part] != belongs_to[part]]
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path} is no index of images: choose another file, or remove it"
        ) from None
    if other:
        raise OtherIndex(f"{path} is an index of another {' and other '.join(other)}")
    return index


# -- search ---------------------------------------------------------------------------------------


def nearest(
    queries: np.ndarray, index: np.ndarray, k: int, distance: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of an index that are nearest to each query, the nearest first.

    Of rows at the same distance, the earlier one comes first.

    Args:
        queries: (Q, D).
        index: (N, D).
        k: at most N.
        distance: "euclidean", |a - b|, or "cosine", 1 - a.b / (|a| |b|): 1 where a or b is zero.

    Returns:
        positions in the index, int64 (Q, k), and distances, float64 (Q, k).

    Cost: 2 Q N D FLOPs in float64, in which the distance of an image to itself is 0 to 6 digits.
    """
    positions = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k))
    for first in range(0, len(queries), QUERY_ROWS):
        block = slice(first, first + QUERY_ROWS)
        positions[block], distances[block] = _nearest_of_block(queries[block], index, k, distance)
    return positions, distances


def _nearest_of_block(
    queries: np.ndarray, index: np.ndarray, k: int, distance: str
) -> tuple[np.ndarray, np.ndarray]:
    """`nearest` in one pass over the index, which keeps the k best rows so far of each query."""
    block = queries.astype(np.float64)
    positions = np.zeros((len(queries), k), np.int64)
    distances = np.full((len(queries), k), np.inf)
    for start in range(0, len(index), INDEX_ROWS):
        rows = index[start : start + INDEX_ROWS].astype(np.float64)
        to_rows = _distances(block, rows, distance)
        for i in np.flatnonzero((to_rows < distances[:, -1:]).any(axis=1)):
            # Those found so far stand first, so that of equal ones the earlier row stays.
            candidates = np.concatenate((distances[i], to_rows[i]))
            chosen = _smallest(candidates, k)
            found_before = positions[i, np.minimum(chosen, k - 1)]
            positions[i] = np.where(chosen < k, found_before, start + chosen - k)
            distances[i] = candidates[chosen]
    return positions, distances


def _distances(a: np.ndarray, b: np.ndarray, distance: str) -> np.ndarray:
    """All distances between rows: (Q, D) and (N, D) to (Q, N)."""
    if distance == "cosine":
        return 1 - _unit(a) @ _unit(b).T
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b is one matrix product; rounding may leave it below zero.
    squares_of_a, squares_of_b = (np.einsum("ij,ij->i", rows, rows) for rows in (a, b))
    squares = squares_of_a[:, np.newaxis] + squares_of_b - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squares, 0))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Each row divided by its length; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k smallest values in order, of equal ones the first."""
    largest = np.partition(values, k - 1)[k - 1]
    candidates = np.flatnonzero(values <= largest)
    return candidates[np.argsort(values[candidates], kind="stable")[:k]]


def precision(
    neighbor_labels: np.ndarray, labels: np.ndarray, num_classes: int
) -> tuple[float, list[float | None]]:
    """precision@k: the share of the k neighbors that are of the query's own class.

    Args:
        neighbor_labels: (Q, k).
        labels: (Q,), of the queries.

    Returns:
        its mean over all queries, and over those of each class: None where a class has none.
    """
    shares = (neighbor_labels == labels[:, np.newaxis]).mean(axis=1)
    class_shares = [shares[labels == label] for label in range(num_classes)]
    return float(shares.mean()), [float(s.mean()) if len(s) else None for s in class_shares]
