"""Whether two data sets are the same, without reading their images."""

import hashlib
import json
from typing import Any

import numpy as np

from alexnet.data.dataset import Dataset


def identity(dataset: Dataset) -> dict[str, Any]:
    """Number of images, and a digest of the class names and the labels in their order."""
    digest = hashlib.sha256(json.dumps(dataset.classes).encode())
    digest.update(np.ascontiguousarray(dataset.labels, "<i8"))
    return {"images": len(dataset), "sha256": digest.hexdigest()}


def difference(before: dict[str, Any] | None, now: dict[str, Any]) -> str | None:
    """How two sets differ, or None.

    Args:
        before, now: results of `identity`.
    """
    if before is None:
        return "the checkpoint does not tell what it was"
    if before == now:
        return None
    if before["images"] != now["images"]:
        return f"it had {before['images']:,} images and has {now['images']:,}"
    return f"its {now['images']:,} images have other classes than before"
