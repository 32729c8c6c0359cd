"""The checkpoints of a run folder: the last, the best, and a bounded history.

A checkpoint is written once, as `step-00001234.safetensors` after optimizer step 1,234 of the run;
`last.safetensors` and, if it is the best so far, `best.safetensors` are further names of the same
file, or copies where the file system has no hard links.
"""

from pathlib import Path

from alexnet import files
from alexnet.errors import CheckpointError
from alexnet.run.checkpoint import BEST, LAST, Checkpoint


def step_file(folder: Path, step: int) -> Path:
    """The name of the checkpoint after a step of the run."""
    return folder / f"step-{step:08}.safetensors"


def history(folder: Path) -> list[Path]:
    """The checkpoints named after their steps, the newest first."""
    return sorted(folder.glob("step-*.safetensors"), key=_step_of, reverse=True)


def holds_run(folder: Path) -> bool:
    """Whether there is any checkpoint."""
    return bool(candidates(folder))


def require_run(folder: Path) -> None:
    """Raise CheckpointError unless there is a checkpoint."""
    if not holds_run(folder):
        raise CheckpointError(f"{folder} holds no checkpoint to continue from")


def candidates(folder: Path) -> list[Path]:
    """The files to continue a run from, each once, those that lose the fewest steps first."""
    found: list[Path] = []
    for path in (folder / LAST, *history(folder), folder / BEST):
        if path.exists() and not any(path.samefile(other) for other in found):
            found.append(path)
    return found


def any_after(folder: Path, step: int) -> bool:
    """Whether an undamaged checkpoint is from after a step of the run."""
    if any(_step_of(path) > step for path in history(folder)):
        return True
    try:
        last = Checkpoint.load(folder / LAST, optimizer=False)
    except CheckpointError:
        return False
    return last.schedule.get("steps", 0) > step


def save(checkpoint: Checkpoint, folder: Path, keep: int, is_best: bool) -> None:
    """Save a checkpoint as the last one, and as the best one if it is.

    The order keeps the folder consistent at any moment: `best.safetensors` is never older than a
    checkpoint that was the best when it was saved.

    Args:
        keep: how many earlier checkpoints stay.

    Raises:
        OSError: it cannot be written; the checkpoints from before are still there.
    """
    newest = step_file(folder, checkpoint.schedule["steps"])
    if is_best:
        checkpoint.save(folder / BEST)
        files.link(folder / BEST, newest)
    else:
        checkpoint.save(newest)
    steps = history(folder)
    # Later steps belong to a run that was continued from before them.
    later = steps.index(newest)
    for path in (*steps[:later], *steps[later + 1 + keep :]):
        path.unlink()
    # At the very end: a run whose last checkpoint is its end is never touched again.
    files.link(newest, folder / LAST)


def newest(folder: Path) -> tuple[Checkpoint, str | None]:
    """The newest checkpoint that is not damaged.

    Returns:
        the checkpoint, and a line about the damaged ones that were passed over, if any.

    Raises:
        CheckpointError: there is none.
    """
    require_run(folder)
    paths = candidates(folder)
    problems = []
    for path in paths:
        try:
            checkpoint = Checkpoint.load(path)
            checkpoint.require_run(path)
        except CheckpointError as error:
            problems.append(error)
            continue
        return checkpoint, f"{problems[0]}; continuing from {path.name}" if problems else None
    others = f" (nor are the other {len(paths) - 1})" if len(paths) > 1 else ""
    raise CheckpointError(f"{problems[0]}{others}")


def _step_of(path: Path) -> int:
    """The number in the name; -1, the oldest, for files that only look like checkpoints."""
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1
