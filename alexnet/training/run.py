"""A run from its settings to its end: its folder, its checkpoint, what follows it, and training."""

import contextlib
import importlib.util
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet import cli, text
from alexnet.errors import Diverged, OutOfMemory, UsageError
from alexnet.formats.load import load
from alexnet.model import parameter_count
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training import base_settings, processes, resources, signals
from alexnet.training.build import build_trainer
from alexnet.training.dry_run import dry_run
from alexnet.training.epoch_results import Curves, EpochLines, FilterSnapshots
from alexnet.training.invocation import Invocation
from alexnet.training.memory_plan import Plan
from alexnet.training.options import continued_run, new_run
from alexnet.training.settings import Settings
from alexnet.training.state import TrainingState
from alexnet.training.step_log import StepLog, TensorBoard
from alexnet.training.trainer import Observer, Trainer
from alexnet.training.watch import Watch
from minigrad.distributed import Team, by_all_processes

BAD_IMAGES = "bad_images.txt"
CHANGE_COLUMNS = 60  # of a value that has changed
# Steps between the scalars for TensorBoard without --log-every.
TENSORBOARD_EVERY = 10


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        folder: of the run.
        settings: with what follows from the data filled in.
        state: after its last step.
        steps: made by the run so far.
        finished: whether there is nothing left to learn.
        signal: the number of the one that has stopped it, if one has.
    """

    folder: Path
    settings: Settings
    state: TrainingState
    steps: int
    finished: bool
    signal: int | None = None


def run(
    options: dict[str, Any], invocation: Invocation, team: Team, started: float
) -> Ending | None:
    """Train a network, or continue a run, and leave everything in its folder.

    Args:
        options: the settings that are given, by name; a recipe or the run decides the others.
        invocation: what is not stored with the run.
        team: the processes that train together.
        started: the time of `time.monotonic` from which on --max-time counts.

    Returns:
        how it ended; None where nothing was to be done but to say what the run would be.

    Raises:
        BackendError, CheckpointError, DataError, Diverged, DistributedError, OSError, OutOfMemory,
        UsageError: what is wrong.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(cli.log())
        given = options
        options = team.from_leader(lambda: base_settings.complete(given, invocation))
        checkpoint, pretrained, folder = None, None, invocation.out
        if invocation.resume is not None:
            resume = invocation.resume
            checkpoint, folder = team.from_leader(
                lambda: _checkpoint_to_continue(resume, folder, options, stack)
            )
            with by_all_processes():
                settings = continued_run(options, checkpoint, team.size)
            if checkpoint.is_complete(settings.epochs, settings.patience):
                state = TrainingState.from_metadata(checkpoint.training)
                cli.say(
                    f"{folder} is complete after {cli.counted(state.epoch, 'epoch')}, and stays "
                    "as it is; to train it further, give more --epochs"
                )
                steps = checkpoint.schedule["steps"]
                return Ending(folder, settings, state, steps, finished=True)
        else:
            pretrained = team.from_leader(lambda: _checkpoint_to_begin_with(folder, options))
            with by_all_processes():
                settings = new_run(options, pretrained, team.size)
        processes.require_alike(team, asdict(settings))
        _require_tensorboard(settings)
        if invocation.dry_run:
            _dry_run(settings, folder, checkpoint, pretrained, team)
            return None

        step = None if checkpoint is None else checkpoint.schedule["steps"]
        from_file = invocation.resume is not None and Path(invocation.resume).is_file()

        def make_folder(settings: Settings) -> Path:
            if step is None:
                return _new_folder(folder, settings, stack)
            if from_file and (copy := run_folder.keep_later_part(folder, step)):
                cli.say(f"{folder} had gone on after step {step}: a copy of that is kept in {copy}")
            return folder

        trainer, plan = build_trainer(settings, make_folder, checkpoint, pretrained, team=team)
        who = processes.who_takes_part(team)
        if team.leads:
            trainer.bad_images.write_to(trainer.folder / BAD_IMAGES)
            arguments = asdict(trainer.settings)
            changes = run_folder.write_run_json(
                trainer.folder, arguments, checkpoint, who, asdict(Settings())
            )
            for name, (before, now) in changes.items():
                values = (text.cut(str(value), CHANGE_COLUMNS) for value in (before, now))
                cli.say(f"changed   {name.replace('_', '-')}: {' before, '.join(values)} now")
            _announce(trainer)
            trainer.observers = list(_observers(trainer, invocation.watch_every, stack))
        del checkpoint, pretrained  # their arrays are as large as the network
        return _train(trainer, plan, invocation, started)


def _checkpoint_to_begin_with(folder: Path | None, options: dict[str, Any]) -> Checkpoint | None:
    """That of --init-from, if it is given, once it is certain that the run can be kept."""
    if folder is not None:
        run_folder.require_free(folder)
    run_folder.require_writable(folder or run_folder.RUNS)
    if "init_from" not in options:
        return None
    path = Path(options["init_from"])
    checkpoint = load(path)
    checkpoint.require_finite(path)
    return checkpoint


def _checkpoint_to_continue(
    path: str, out: Path | None, options: dict[str, Any], stack: contextlib.ExitStack
) -> tuple[Checkpoint, Path]:
    """The checkpoint and the folder, locked, of the run that --resume names."""
    if out is not None:
        raise UsageError("--resume continues in the run's own folder: leave out --out")
    if path == "auto":
        folder = run_folder.newest_to_continue(options.get("epochs"), options.get("patience"))
    elif Path(path).is_dir():
        folder = Path(path)
        # Nothing is written into a folder that was named by mistake.
        checkpoint_files.require_run(folder)
    else:
        # A network alone, of this or another program, is not read as the checkpoint of a run.
        load(Path(path)).require_run(Path(path))
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
            "--tensorboard needs tensorboardX, which is not installed: pip install tensorboardX"
        )


def _dry_run(
    settings: Settings,
    folder: Path | None,
    checkpoint: Checkpoint | None,
    pretrained: Checkpoint | None,
    team: Team,
) -> None:
    """Say what the run would be and what it would need, without making its folder."""
    disk_folder = folder or run_folder.RUNS
    trainer, plan = build_trainer(
        settings.without_mean_image(),
        lambda settings: disk_folder,
        checkpoint,
        pretrained,
        check_memory=False,
        team=team,
    )
    _announce(trainer)
    dry_run(trainer, plan)


def _new_folder(folder: Path | None, settings: Settings, stack: contextlib.ExitStack) -> Path:
    """The folder of a new run, locked."""
    folder, is_new = run_folder.create(folder, settings.data, settings.arch)
    if is_new:
        stack.callback(run_folder.remove_unused, folder)
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
        f"network   {settings.arch}: {parameter_count(trainer.network):,} parameters, "
        f"images of {size}x{size}"
    )
    cli.say(
        f"training  {cli.counted(settings.epochs, 'epoch')} of "
        f"{cli.counted(len(loader), 'step')}, batch size "
        f"{settings.batch_size}, {settings.optimizer}, lr {settings.lr:g} "
        f"({settings.lr_schedule}), recipe {settings.recipe}, seed {settings.seed}"
    )
    cli.say(f"folder    {trainer.folder}")
    if trainer.schedule.steps:
        step = f", step {trainer.state.step} of the next" if trainer.state.step else ""
        cli.say(f"continuing after epoch {trainer.state.epoch}{step}")
    # A run in tf32 that is continued on the CPU has float32 there.
    named = settings.backend == "cuda" or settings.precision == "bf16"
    products = f", products in {settings.precision}" if named else ""
    size, among = trainer.team.size, ""
    if size > 1:
        divided = "have a column each" if settings.columns == 2 else "divide each batch"
        among = f", in {size} processes that {divided}"
    cli.say(
        f"On {trainer.backend.describe()}{products}{among}. Kernels are compiled when they are "
        "first used, so the first run takes a while to its first step."
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
            snapshots.save(trainer.network, epoch=0)
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


def _train(trainer: Trainer, plan: Plan, invocation: Invocation, started: float) -> Ending:
    """Train until the run is complete, or stopped."""
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
        if trainer.team.leads:
            run_folder.note_divergence(trainer.folder, str(error))
        kept = trainer.folder / LAST
        advice = f"; {kept} is from before" if kept.exists() else ""
        with by_all_processes():
            raise Diverged(f"{error}: try a smaller --lr{advice}") from error
    except MemoryError as error:
        available = resources.available_memory(trainer.backend, trainer.team.local_size)
        raise OutOfMemory(f"out of memory ({error}): {plan.shortage(available)}") from error
    received = [number for numbers in trainer.team.gather(received) for number in numbers]
    signal = received[0] if received and not finished else None
    return Ending(trainer.folder, settings, trainer.state, trainer.schedule.steps, finished, signal)
