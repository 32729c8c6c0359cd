"""``python -m alexnet.train``: train AlexNet on images of any source."""

import contextlib
import importlib.util
import math
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from alexnet import cli
from alexnet.errors import Diverged, OutOfMemory, UsageError
from alexnet.model import parameter_count
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, find
from alexnet.training import resources, signals
from alexnet.training.build import build_trainer
from alexnet.training.dry_run import dry_run
from alexnet.training.epoch_results import Curves, EpochLines, FilterSnapshots
from alexnet.training.memory_plan import Plan
from alexnet.training.options import COMMAND, continued_run, new_run, parse
from alexnet.training.settings import Invocation, Settings
from alexnet.training.step_log import StepLog, TensorBoard
from alexnet.training.trainer import Observer, Trainer
from alexnet.training.watch import Watch

BAD_IMAGES = "bad_images.txt"
# Steps between the scalars for TensorBoard without --log-every.
TENSORBOARD_EVERY = 10


def _run(argv: list[str] | None) -> int:
    started = time.monotonic()
    cli_options, invocation = parse(argv)
    with contextlib.ExitStack() as stack:
        stack.enter_context(cli.log())
        checkpoint, pretrained, folder = None, None, invocation.out
        if invocation.resume is not None:
            if folder is not None:
                raise UsageError("--resume continues in the run's own folder: leave out --out")
            epochs = cli_options.get("epochs")
            checkpoint, folder = _checkpoint_to_continue(invocation.resume, epochs, stack)
            settings = continued_run(cli_options, checkpoint)
        else:
            if folder is not None:
                run_folder.require_free(folder)
            if "init_from" in cli_options:
                pretrained = Checkpoint.load(find(Path(cli_options["init_from"]), BEST, LAST))
            settings = new_run(cli_options, pretrained)
        _require_tensorboard(settings)
        if invocation.dry_run:
            return _dry_run(settings, folder, checkpoint, pretrained)

        is_new = checkpoint is None

        def make_folder(settings: Settings) -> Path:
            return _new_folder(folder, settings, stack) if is_new else folder

        trainer, plan = build_trainer(settings, make_folder, checkpoint, pretrained)
        trainer.train_loader.dataset.bad_images.write_to(trainer.folder / BAD_IMAGES)
        changes = run_folder.write_run_json(trainer.folder, asdict(trainer.settings), checkpoint)
        del checkpoint, pretrained  # their arrays are as large as the network
        for name, (before, now) in changes.items():
            cli.say(f"changed   {name.replace('_', '-')}: {before} before, {now} now")
        _announce(trainer)
        trainer.observers = list(_observers(trainer, invocation.watch_every, stack))
        return _train(trainer, plan, invocation, started)


def _checkpoint_to_continue(
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


def _require_tensorboard(settings: Settings) -> None:
    if settings.tensorboard and not importlib.util.find_spec("tensorboardX"):
        raise UsageError(
            "--tensorboard needs tensorboardX, which is not installed: pip install '.[tensorboard]'"
        )


def _dry_run(
    settings: Settings,
    folder: Path | None,
    checkpoint: Checkpoint | None,
    pretrained: Checkpoint | None,
) -> int:
    """Say what the run would be and what it would need, without making its folder."""
    disk_folder = folder or run_folder.RUNS
    trainer, plan = build_trainer(
        settings.without_mean_image(),
        lambda settings: disk_folder,
        checkpoint,
        pretrained,
        check_memory=False,
    )
    _announce(trainer)
    dry_run(trainer, plan)
    return 0


def _new_folder(folder: Path | None, settings: Settings, stack: contextlib.ExitStack) -> Path:
    """The folder of a new run, locked."""
    folder = run_folder.create(folder, settings.data, settings.arch)
    stack.enter_context(run_folder.locked(folder))
    run_folder.require_free(folder)
    return folder


def _announce(trainer: Trainer) -> None:
    """Say what is going to run."""
    settings, loader = trainer.settings, trainer.train_loader
    classes, size = len(loader.dataset.classes), loader.preprocessing.image_size
    cli.say(
        f"data      {settings.data}: {classes} classes, {len(loader.dataset):,} images to learn "
        f"from, {len(trainer.val_loader.dataset):,} for validation"
    )
    cli.say(
        f"network   {settings.arch}: {parameter_count(trainer.model):,} parameters, "
        f"images of {size}x{size}"
    )
    cli.say(
        f"training  {settings.epochs} epochs of {len(loader)} steps, batch size "
        f"{settings.batch_size}, {settings.optimizer}, lr {settings.lr:g} "
        f"({settings.lr_schedule}), recipe {settings.recipe}, seed {settings.seed}"
    )
    cli.say(f"folder    {trainer.folder}")
    if trainer.schedule.steps:
        cli.say(
            f"continuing after epoch {trainer.state.epoch}, step {trainer.state.step} of the next"
        )
    products = f", products in {settings.precision}" if settings.backend == "cuda" else ""
    cli.say(
        f"On {trainer.backend.describe()}{products}. Kernels are compiled when they are first "
        "used, so the first run takes a while to its first step."
    )


def _observers(
    trainer: Trainer, table_every: int, stack: contextlib.ExitStack
) -> Iterator[Observer]:
    """What follows the run: warnings, and what the settings ask to be shown and kept."""
    settings, folder, steps = trainer.settings, trainer.folder, trainer.schedule.steps
    yield Watch(table_every=table_every)
    if settings.snapshot_filters:
        snapshots = FilterSnapshots(folder, trainer.state.epoch)
        if steps == 0:
            snapshots.save(trainer.model, epoch=0)
        yield snapshots
    if settings.log_every:
        step_log = StepLog(folder, settings.log_every)
        if steps:
            step_log.keep_until(steps)
        yield step_log
    if settings.tensorboard:
        board = TensorBoard(folder, settings.log_every or TENSORBOARD_EVERY, steps)
        stack.callback(board.close)
        yield board
    yield Curves()
    yield EpochLines()


def _train(trainer: Trainer, plan: Plan, invocation: Invocation, started: float) -> int:
    """Train, say how it ended, and return the exit code."""
    settings = trainer.settings
    try:
        with signals.after_step(trainer) as received:
            finished = trainer.fit(
                settings.epochs,
                invocation.max_steps or math.inf,
                deadline=started + (invocation.max_time or math.inf),
                patience=settings.patience or math.inf,
            )
    except Diverged as error:
        kept = trainer.folder / LAST
        advice = f"; {kept} is from before" if kept.exists() else ""
        raise Diverged(f"{error}: try a smaller --lr{advice}") from error
    except MemoryError as error:
        available = resources.available_memory(trainer.backend)
        raise OutOfMemory(f"out of memory ({error}): {plan.shortage(available)}") from error

    resume = f"{COMMAND} --resume {trainer.folder}"
    if received and not finished:
        how = "terminated" if received[0] == signal.SIGTERM else "interrupted"
        cli.say(f"{how}; continue with: {resume}")
        return 128 + received[0]
    _print_result(trainer, finished)
    if not finished:
        print(f"stopped after step {trainer.schedule.steps}; continue with: {resume}")
    return 0


def _print_result(trainer: Trainer, finished: bool) -> None:
    state = trainer.state
    if finished and state.epoch < trainer.settings.epochs:
        print(
            f"stopped after epoch {state.epoch}: no better validation top-1 for "
            f"{trainer.epochs_without_improvement} epochs"
        )
    if state.best_epoch:
        print(f"best top-1 {state.best_top1:.1%} in epoch {state.best_epoch}, {trainer.folder}")


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""

    def run() -> int:
        with signals.at_once():
            return _run(argv)

    return cli.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
