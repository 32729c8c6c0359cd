"""Options of a start that are no settings of its run."""

from dataclasses import dataclass
from pathlib import Path

from alexnet import cli
from alexnet.training.declaration import setting


@dataclass(frozen=True)
class Invocation:
    """Options of one start of a run, or of one part of it; they are not stored with the run.

    Attributes:
        max_time: seconds.
    """

    out: Path | None = setting(
        None, type=cli.path, metavar="DIR", help="default: runs/<data>-<arch>-<n>"
    )
    resume: str | None = setting(
        None,
        metavar="DIR",
        help="continue a run, by its folder or a checkpoint; auto: the newest below runs/",
    )
    like: Path | None = setting(
        None,
        type=cli.path,
        metavar="RUN",
        help="begin with the settings of another run; options change them",
    )
    config: Path | None = setting(
        None,
        type=cli.path,
        metavar="FILE",
        help="the same from a .toml file, or from a run.json",
    )
    max_steps: int | None = setting(
        None, type=cli.count, metavar="N", help="stop, saved, after step N of the run"
    )
    max_time: int | None = setting(
        None, type=cli.duration, metavar="TIME", help="stop, saved, after a time like 2h30m"
    )
    dry_run: bool = setting(
        False,
        action="store_true",
        help="only say what the run would need, and touch nothing",
    )
    watch_every: int = setting(
        0,
        type=cli.count,
        metavar="N",
        help="print how much N-th steps change the weights of each layer, as the 2012 code did",
    )
