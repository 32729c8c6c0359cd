"""Images that cannot be used: the first one is an error, or up to a limit they are skipped."""

import logging
import threading
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Dataset
from alexnet.errors import BadImage, DataError

logger = logging.getLogger("alexnet.data")


class BadImages:
    """The images of a run that cannot be used, of all its data sets together.

    Args:
        skip: go on without them; by default the first one is an error.
        limit: how many may be skipped.

    Attributes:
        found: what is wrong, by the name of the image.
    """

    def __init__(self, skip: bool = False, limit: int = 0):
        self.skip = skip
        self.limit = limit
        self.found: dict[str, str] = {}
        self._list: Path | None = None
        self._told: set[str] = set()
        self._listed: set[str] = set()
        self._lock = threading.Lock()

    def write_to(self, path: Path) -> None:
        """From now on, list them in a file, one a line; the first one creates the file.

        The lines of a run that is continued are kept and not repeated.
        """
        with self._lock:
            self._list = path
            if path.exists():
                self._listed = set(path.read_text("utf-8").splitlines())
            for problem in self.found.values():
                self._write(problem)

    def add(self, name: str, problem: str) -> None:
        """Note an image that cannot be used; once, however often it is read.

        Raises:
            DataError: bad images are not skipped, or there are more than the limit.
        """
        if not self.skip:
            raise DataError(
                f"{problem}; repair or remove it, or go on without such images: --bad-images skip"
            )
        with self._lock:
            if name not in self.found:
                self.found[name] = problem
                logger.warning("skipped %s", problem)
                self._write(problem)
            if len(self.found) > self.limit:
                raise DataError(
                    f"{len(self.found)} images cannot be used, the last one {problem}; that is "
                    f"more than --max-bad-images {self.limit}"
                )

    def news(self) -> dict[str, str]:
        """What this process has found since the last call, for the others of its team."""
        with self._lock:
            new = {name: self.found[name] for name in self.found if name not in self._told}
            self._told |= new.keys()
            return new

    def hear(self, news: dict[str, str]) -> None:
        """Note what another process has found.

        Raises:
            DataError: as `add` does.
        """
        self._told |= news.keys()
        for name, problem in news.items():
            self.add(name, problem)

    def _write(self, problem: str) -> None:
        line = as_line(problem)
        if self._list is not None and line not in self._listed:
            self._listed.add(line)
            with open(self._list, "a", encoding="utf-8") as file:
                file.write(line + "\n")


def as_line(problem: str) -> str:
    """One line for a list: names may hold line breaks of any kind, and bytes that are no text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in problem)


class Skipping:
    """A data set of which bad images are skipped: its `image` gives None for them.

    Args:
        bad_images: notes them, and decides when they are an error.
    """

    def __init__(self, dataset: Dataset, bad_images: BadImages):
        self.dataset = dataset
        self.bad_images = bad_images

    @property
    def classes(self) -> list[str]:
        return self.dataset.classes

    @property
    def labels(self) -> np.ndarray:
        return self.dataset.labels

    def __len__(self) -> int:
        return len(self.dataset)

    def image(self, index: int, square: int | None = None) -> np.ndarray | None:
        """As `Dataset.image`, or None if the image is skipped.

        Raises:
            DataError: it cannot be used, and may not be skipped.
        """
        try:
            return self.dataset.image(index, square)
        except BadImage as error:
            self.bad_images.add(self.name(index), str(error))
            return None

    def name(self, index: int) -> str:
        return self.dataset.name(index)

    @property
    def mean_image(self) -> np.ndarray | None:
        """That of prepared data, float32 (3, S, S); None for other data."""
        return getattr(self.dataset, "mean_image", None)


def collector(dataset: Dataset | Skipping) -> BadImages:
    """Where the bad images of a data set are noted."""
    return dataset.bad_images if isinstance(dataset, Skipping) else BadImages()


def underlying(dataset: Dataset | Skipping) -> Dataset:
    """The data set itself, whose `image` raises `BadImage`."""
    return dataset.dataset if isinstance(dataset, Skipping) else dataset
