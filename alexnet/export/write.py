"""A file of a network for others, compared with what was to be written, and the page about it."""

import math
from dataclasses import dataclass
from pathlib import Path

from alexnet import cli, files
from alexnet.errors import UsageError
from alexnet.export import check, readme
from alexnet.export.save import require_form, save
from alexnet.run import checkpoint_files
from alexnet.run.checkpoint import Checkpoint


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: of the file.
        dtype: of its parameters.
        parity: a line about each comparison with the network before.
        page: of Markdown beside the file.
        page_is_new: False where there was one of somebody else, which was kept.
    """

    path: Path
    dtype: str
    parity: list[str]
    page: Path
    page_is_new: bool

    def __str__(self) -> str:
        kept = "" if self.page_is_new else " is yours and stays as it is"
        lines = [("written", f"{self.path}: {_size(self.path)}, {self.dtype}")]
        lines += [("parity", line) for line in self.parity]
        lines += [("page", f"{self.page}{kept}")]
        return "\n".join(f"{name:<10}{cli.one_line(text)}" for name, text in lines)

    __repr__ = __str__


def write(
    checkpoint: Checkpoint,
    path: Path,
    source: Path,
    *,
    names: str = "own",
    dtype: str = "float32",
) -> Written:
    """Write a network as a file for others, see `alexnet.export.save`, with a page about it.

    Args:
        checkpoint: whose parameters are finite.
        source: the run or the file that the network is from, which is not to be lost.

    Raises:
        CheckpointError: the file would hold another network, as a comparison shows.
        OSError, UsageError: see `save`; nothing was written.
    """
    require_writable(path, source, names, dtype)
    with files.replacing(path) as temporary:
        saved = save(checkpoint, temporary, names=names, dtype=dtype)
        parity = list(check.written(checkpoint, saved, temporary, names, dtype))
    page_is_new = readme.write(saved, path, names)
    return Written(path, dtype, parity, readme.path_beside(path), page_is_new)


def _size(path: Path) -> str:
    count = path.stat().st_size
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{math.ceil(count / 1e3)} kB"


def require_writable(out: Path, source: Path, names: str, dtype: str) -> None:
    """Raise UsageError unless there are such files, and nothing is lost by this one.

    It must not be the source, and no run must need it to go on.
    """
    require_form(out, names, dtype)
    if not out.exists():
        return
    if source.exists() and out.samefile(source):
        raise UsageError(f"{out} is what is to be converted: choose another file")
    if any(out.samefile(path) for path in checkpoint_files.candidates(out.parent)):
        raise UsageError(f"{out} is a checkpoint of a run: choose another file")
