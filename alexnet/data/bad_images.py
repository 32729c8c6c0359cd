"""What happens to images that cannot be used: an error, or a list of them, up to a limit."""

import logging
import threading
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Dataset
from alexnet.errors import BadImage, DataError

logger = logging.getLogger("alexnet.data")


class BadImages:
    """The images of a run that could not be read.

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
        self._listed: set[str] = set()
        self._lock = threading.Lock()

    def write_to(self, path: Path) -> None:
        """Keep a list of them in a file from now on, a line each; no file without any.

        Lines from before, of a run that is continued, are kept and not repeated.
        """
        with self._lock:
            self._list = path
            if path.exists():
                self._listed = set(path.read_text("utf-8").splitlines())
            for problem in self.found.values():
                self._write(problem)

    def read(self, dataset: Dataset, index: int, square: int | None = None) -> np.ndarray | None:
        """An image of a data set, or None where it is to be skipped.

        Raises:
            DataError: it cannot be used, and is not to be skipped or one too many.
        """
        try:
            return dataset.image(index, square)
        except BadImage as error:
            self.add(dataset.name(index), str(error))
            return None

    def add(self, name: str, problem: str) -> None:
        """Note an image that cannot be used; once, however often it is met.

        Raises:
            DataError: it is not to be skipped, or one too many.
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

    def _write(self, problem: str) -> None:
        line = problem.encode("utf-8", "backslashreplace").decode()
        if self._list is not None and line not in self._listed:
            self._listed.add(line)
            with open(self._list, "a", encoding="utf-8") as file:
                file.write(line + "\n")
