"""Any file of a network as a checkpoint: the one way in."""

from pathlib import Path

from alexnet.formats.given import Given
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, find


def load(path: Path, given: Given | None = None) -> Checkpoint:
    """The network of a run or a file, without the state of its optimizer.

    Args:
        path: a run folder, whose best network is taken, or a file.
        given: what the file does not say.

    Raises:
        CheckpointError: it cannot be read, or holds no AlexNet; one line that says what to do.
    """
    return Checkpoint.load(find(path, BEST, LAST), optimizer=False)
