"""``python -m alexnet.train``: train AlexNet on images of any source."""

import contextlib
import importlib.util
import math
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.errors import Diverged, OutOfMemory, UsageError
from alexnet.model import parameter_count
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, find
from alexnet.run.filter_snapshots import FilterSnapshots
from alexnet.run.metrics import Row
from alexnet.training import memory_plan, signals
from alexnet.training.build import build_trainer
from alexnet.training.settings import COMMAND, parser, resolve
from alexnet.training.step_log import StepLog, TensorBoard
from alexnet.training.trainer import Observer, Trainer
from alexnet.training.watch import Watch

BAD_IMAGES = "bad_images.txt"
# Steps between the scalars for TensorBoard, where --log-every does not say.
TENSORBOARD_EVERY = 10


def _announce(trainer: Trainer) -> None:
    """Say what is going to run."""
    settings, loader = trainer.arguments, trainer.train_loader
    classes, size = len(loader.dataset.classes), loader.preprocessing.image_size
    cli.say(
        f"data      {settings['data']}: {classes} classes, {len(loader.dataset):,} images to learn "
        f"from, {len(trainer.val_loader.dataset):,} for validation"
    )
    cli.say(
        f"network   {settings['arch']}: {parameter_count(trainer.model):,} parameters, "
        f"images of {size}x{size}"
    )
    cli.say(
        f"training  {settings['epochs']} epochs of {len(loader)} steps, batch size "
        f"{settings['batch_size']}, {settings['optimizer']}, lr {settings['lr']:g} "
        f"({settings['lr_schedule']}), recipe {settings['recipe']}, seed {settings['seed']}"
    )
    cli.say(f"folder    {trainer.folder}")
    if trainer.schedule.steps:
        cli.say(
            f"continuing after epoch {trainer.state.epoch}, step {trainer.state.step} of the next"
        )
    products = f", products in {settings['precision']}" if settings["backend"] == "cuda" else ""
    cli.say(
        f"On {trainer.backend.describe()}{products}. Kernels are compiled when they are first used, "
        "so the first run takes a while to its first step."
    )


def _result_line(row: Row, epochs: int) -> str:
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}: "
        f"loss {row['train_loss']:.3f}, top-1 {row['train_top1']:6.1%}; "
        f"validation: loss {row['val_loss']:.3f}, top-1 {row['val_top1']:6.1%}, "
        f"top-5 {row['val_top5']:6.1%}; {row['images_per_s']:.1f} images/s, {row['seconds']:.0f} s"
    )


def _observers(
    trainer: Trainer, table_every: int, closing: contextlib.ExitStack
) -> Iterator[Observer]:
    """What follows the run: the watch, and what the settings want to be kept of it."""
    settings, folder, steps = trainer.arguments, trainer.folder, trainer.schedule.steps
    yield Watch(table_every=table_every)
    if settings["snapshot_filters"]:
        snapshots = FilterSnapshots(folder, trainer.state.epoch)
        if steps == 0:
            snapshots.keep(trainer.model, epoch=0)
        yield snapshots
    if settings["log_every"]:
        step_log = StepLog(folder, settings["log_every"])
        if steps:
            step_log.keep_until(steps)
        yield step_log
    if settings["tensorboard"]:
        board = TensorBoard(folder, settings["log_every"] or TENSORBOARD_EVERY, steps)
        closing.callback(board.close)
        yield board


def _to_continue(
    path: str, epochs: int | None, stack: contextlib.ExitStack
) -> tuple[Checkpoint, Path]:
    """The checkpoint and the folder, locked, of the run that --resume names."""
    if path == "auto":
        folder = run_folder.newest_to_continue(epochs)
    elif Path(path).is_dir():
        folder = Path(path)
        # Nothing is written into a folder that was named by mistake.
        checkpoint_files.require_run(folder)
    else:
        checkpoint, folder = Checkpoint.load(Path(path)), Path(path).parent
        stack.enter_context(run_folder.locked(folder))
        return checkpoint, folder
    stack.enter_context(run_folder.locked(folder))
    checkpoint, warning = checkpoint_files.newest(folder)
    if warning:
        cli.say(f"warning: {warning}")
    return checkpoint, folder


def _run(argv: list[str] | None) -> int:
    started = time.monotonic()
    given = vars(parser().parse_args(argv))
    with contextlib.ExitStack() as stack:
        checkpoint, beginning, folder = None, None, given.get("out")
        if "resume" in given:
            if folder is not None:
                raise UsageError("--resume continues in the run's own folder: leave out --out")
            checkpoint, folder = _to_continue(given["resume"], given.get("epochs"), stack)
        elif folder is not None:
            run_folder.require_free(folder)
        if "init_from" in given and checkpoint is None:
            beginning = Checkpoint.load(find(given["init_from"], BEST, LAST))
        settings = resolve(given, checkpoint, beginning)
        _require_tensorboard(settings)
        if given.get("dry_run"):
            # Costs the same, and need not read every image.
            settings["mean"] = "channel"
            # Where the space on the disk is looked at.
            of_disk = folder or run_folder.RUNS
            trainer, needed = build_trainer(
                settings, lambda: of_disk, checkpoint, beginning, check_memory=False
            )
            _announce(trainer)
            return _dry_run(trainer, needed)

        is_new = checkpoint is None

        def make_folder() -> Path:
            return _new_folder(folder, settings, stack) if is_new else folder

        trainer, needed = build_trainer(settings, make_folder, checkpoint, beginning)
        trainer.train_loader.dataset.bad_images.write_to(trainer.folder / BAD_IMAGES)
        changes = run_folder.write_run_json(trainer.folder, settings, checkpoint)
        del checkpoint, beginning  # their arrays are as large as the network
        for name, (before, now) in changes.items():
            cli.say(f"changed   {name.replace('_', '-')}: {before} before, {now} now")
        _announce(trainer)
        trainer.on_epoch = lambda row: print(_result_line(row, settings["epochs"]), flush=True)
        trainer.observers = list(_observers(trainer, given.get("watch_every", 0), stack))
        return _train(trainer, needed, given, started)


def _require_tensorboard(settings: dict[str, Any]) -> None:
    if settings["tensorboard"] and not importlib.util.find_spec("tensorboardX"):
        raise UsageError(
            "--tensorboard needs tensorboardX, which is not installed: pip install '.[tensorboard]'"
        )


def _new_folder(folder: Path | None, settings: dict[str, Any], stack: contextlib.ExitStack) -> Path:
    """The folder of a new run, locked."""
    folder = run_folder.create(folder, settings["data"], settings["arch"])
    stack.enter_context(run_folder.locked(folder))
    run_folder.require_free(folder)
    return folder


def _dry_run(trainer: Trainer, needed: memory_plan.Plan) -> int:
    """Print the plan; where it fits, after a measured step."""
    available = memory_plan.available_memory(trainer.backend)
    fits = available is None or needed.memory <= available
    seconds = None
    steps = trainer.arguments["epochs"] * len(trainer.train_loader) - trainer.schedule.steps
    if fits:
        cli.say("Two steps are made, to see how long the second one takes.")
        seconds = trainer.seconds_per_step()
    disk = memory_plan.free_disk(trainer.folder)
    print(memory_plan.describe(needed, available, disk, seconds, steps))
    needed.require(available)
    return 0


def _train(
    trainer: Trainer, needed: memory_plan.Plan, given: dict[str, Any], started: float
) -> int:
    """Train, say how it ended, and return the exit code."""
    settings, epochs = trainer.arguments, trainer.arguments["epochs"]
    try:
        with signals.after_step(trainer) as received:
            finished = trainer.fit(
                epochs,
                given.get("max_steps", math.inf),
                deadline=started + given.get("max_time", math.inf),
                patience=settings["patience"] or math.inf,
            )
    except Diverged as error:
        kept = trainer.folder / LAST
        advice = f"; {kept} is from before" if kept.exists() else ""
        raise Diverged(f"{error}: try a smaller --lr{advice}") from error
    except MemoryError as error:
        available = memory_plan.available_memory(trainer.backend)
        raise OutOfMemory(f"out of memory ({error}): {needed.shortage(available)}") from error

    state, resume = trainer.state, f"{COMMAND} --resume {trainer.folder}"
    if received and not finished:
        how = "terminated" if received[0] == signal.SIGTERM else "interrupted"
        cli.say(f"{how}; continue with: {resume}")
        return 128 + received[0]
    if finished and state.epoch < epochs:
        print(
            f"stopped after epoch {state.epoch}: no better validation top-1 for "
            f"{trainer.epochs_without_improvement} epochs"
        )
    if state.best_epoch:
        print(f"best top-1 {state.best_top1:.1%} in epoch {state.best_epoch}, {trainer.folder}")
    if not finished:
        print(f"stopped after step {trainer.schedule.steps}; continue with: {resume}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run() -> int:
        with signals.at_once():
            return _run(argv)

    return cli.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
