"""The run whose network the page shows, and what has changed in it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.data import Dataset
from alexnet.errors import CheckpointError, DataError
from alexnet.inference.trained import Trained
from alexnet.run.checkpoint import LAST
from alexnet.run.metrics import read_rows
from alexnet.serve.answers import Answers

CURVES = ("epoch", "train_loss", "val_loss", "train_top1", "val_top1")


class Watched:
    """A network that is shown, and whether a newer one is to take its place.

    Args:
        source: a run folder or a checkpoint.
        follow: show the last checkpoint of a run that is being trained, and each newer one.
        load: reads a network from a folder or a file.
        training: gives the set of images that a network learned from.

    Raises:
        CheckpointError: there is no network; with `follow` there may be none yet.
    """

    def __init__(
        self,
        source: Path,
        follow: bool,
        load: Callable[[Path], Trained],
        training: Callable[[Trained], Dataset],
    ):
        self._source, self._follow, self._load, self._training = source, follow, load, training
        self._lock, self._computing = threading.Lock(), threading.Lock()
        self._answers: Answers | None = None
        self._version = 0
        self._seen: tuple[int, int] | None = None
        if not follow:
            self._show(source)
        elif not source.is_dir():
            raise CheckpointError(f"{source} is no folder: --watch needs that of a run")
        else:
            self._refresh()

    def answers(self) -> Answers:
        """What answers about the network that is shown now.

        Raises:
            DataError: the run has none yet.
        """
        if self._answers is None:
            raise DataError("the run has no network yet: one appears after its first epoch")
        return self._answers

    def progress(self) -> dict[str, Any]:
        """The curves so far, and the number of the network that is shown."""
        if self._follow:
            self._refresh()
        folder = self._source if self._source.is_dir() else self._source.parent
        rows = [[row[name] for name in CURVES] for row in read_rows(folder)]
        known = self._answers.trained.checkpoint.arguments if self._answers else {}
        return {
            "follows": self._follow,
            "version": self._version,
            "epochs": known.get("epochs"),
            "columns": CURVES,
            "rows": rows,
        }

    def _refresh(self) -> None:
        """Show the last checkpoint, if it is another one than before."""
        path = self._source / LAST
        with self._lock:
            try:
                status = path.stat()
                seen = status.st_mtime_ns, status.st_ino
                if seen != self._seen:
                    self._seen = seen  # one that cannot be used is not read again
                    self._show(path)
            except OSError:
                pass  # there is none yet, or it has just been replaced
            except CheckpointError as error:
                cli.say(cli.printable(f"the network before it is shown: {error}"))

    def _show(self, path: Path) -> None:
        trained = self._load(path)
        self._answers = Answers(trained, lambda: self._training(trained), self._computing)
        self._version += 1
