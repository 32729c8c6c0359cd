"""What a run would need, without running it."""

import contextlib
import time

from alexnet import cli
from alexnet.training import memory_plan, resources
from alexnet.training.state import Size
from alexnet.training.trainer import Trainer


def dry_run(trainer: Trainer, plan: memory_plan.Plan) -> None:
    """Print the plan and, where it fits, the time of a step; two steps change the trainer's run.

    Raises:
        OutOfMemory: it does not fit.
    """
    available = resources.available_memory(trainer.backend, trainer.team.local_size)
    steps = trainer.settings.epochs * len(trainer.train_loader) - trainer.schedule.steps
    seconds = None
    if available is None or plan.memory <= available:
        cli.say("Two steps are made, to see how long the second one takes.")
        seconds = _seconds_per_step(trainer)
    disk = resources.free_disk(trainer.folder)
    print(memory_plan.describe(plan, available, disk, seconds, steps))
    plan.require(available)


def _seconds_per_step(trainer: Trainer) -> float:
    """The time of the second of two steps on the same batch."""
    trainer.model.train()
    with contextlib.closing(trainer.train_loader.shares(trainer.state.epoch)) as shares:
        for share in shares:
            sizes = trainer.agree_on(share)
            if Size.sum(sizes).images:
                break
    trainer.step(share, sizes)  # compiles kernels, and touches memory for the first time
    started = time.perf_counter()
    trainer.step(share, sizes)
    return time.perf_counter() - started
