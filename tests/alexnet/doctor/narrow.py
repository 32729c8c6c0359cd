"""A small network and small images, on which the commands run in a second."""

from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from PIL import Image

from alexnet.model import ARCHITECTURES, AlexNet, AlexNetOWT


class NarrowAlexNet(AlexNet):
    """A tenth of the channels: all that a command does, in a hundredth of the time."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)


class NarrowOWT(AlexNetOWT):
    """The same of the other network."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, width=0.1)


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
        patch.setitem(ARCHITECTURES, "owt", NarrowOWT)
        yield
    numba.set_num_threads(threads)


def write_images(root: Path, classes: int, count: int, seed: int = 0) -> Path:
    """A folder a class: spots at places of the class's own, of any colour, in noise."""
    for c in range(classes):
        spots = np.random.default_rng(c).uniform(-60, 60, (6, 6, 1)).repeat(14, 0).repeat(14, 1)
        spots += spots[:, ::-1]  # mirrored, it is the same class
        rng = np.random.default_rng([seed, c])
        (root / f"class{c}").mkdir(parents=True)
        for i in range(count):
            colours = rng.uniform(70, 180, 3) + rng.uniform(0.4, 1) * spots
            pixels = np.clip(colours + rng.normal(0, 15, (84, 84, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"class{c}" / f"{i}.png")
    return root
