"""``python -m alexnet.doctor``: look at data, network and settings before training with them."""

import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from alexnet import checkup, command, probe
from alexnet.building import build_trainer
from alexnet.checkup import OK, PROBLEM, WARNING, Finding
from alexnet.settings import NOT_KEPT, parser, resolve
from alexnet.trainer import Trainer
from minigrad import Tensor, optim
from minigrad import functional as F

NAME = "python -m alexnet.doctor"
EXAMPLES = f"""\
Looks for what keeps a network from learning, in about a minute. Takes the options of
python -m alexnet.train and leaves nothing behind.

examples:
  {NAME}
  {NAME} --data-root photos --lr 0.02
"""
# As in the table of exit codes.
FOUND_A_PROBLEM = 9
# Images looked at, and learnt by heart.
LOOKED_AT, BY_HEART = 16, 8
STEPS_TIMED = 2


def _findings(trainer: Trainer) -> Iterator[Finding]:
    loader, model, optimizer = trainer.train_loader, trainer.model, trainer.optimizer
    yield checkup.labels(loader.dataset, trainer.val_loader.dataset)

    images, labels = probe.batch(loader, LOOKED_AT, trainer.backend)
    yield checkup.network_input(Tensor(images).numpy(), trainer.arguments["init"])
    rate = optimizer.groups[0]["initial_lr"]
    signals, features, scores = checkup.signals(model, images, labels, rate)
    print(f"\n{checkup.table(signals)}\n")
    yield checkup.layers(signals)
    yield checkup.initial_loss(scores, labels)
    yield checkup.image_share(scores)
    if isinstance(optimizer, optim.SGD):
        yield checkup.head_stability(features, scores.shape[1], optimizer)
    yield checkup.evaluation(model, images)
    yield checkup.overfit(model, optimizer, images[:BY_HEART], labels[:BY_HEART])
    yield _throughput(trainer)


def _throughput(trainer: Trainer) -> Finding:
    """How fast are batches made, and how fast learnt from?"""
    loader, learning, count = trainer.train_loader, 0.0, 0
    trainer.model.train()
    with contextlib.closing(loader.batches(epoch=0)) as batches:
        for number, batch in zip(range(STEPS_TIMED + 1), batches):
            started = time.perf_counter()
            logits = trainer.model(Tensor(batch.prepare(trainer.backend)))
            loss = F.cross_entropy(logits, batch.labels)
            trainer.optimizer.zero_grad()
            loss.backward()
            trainer.optimizer.step()
            loss.item()
            # The first step compiles kernels and takes memory.
            if number > 0 or len(loader) == 1:
                learning += time.perf_counter() - started
                count += len(batch)
    rate = count / learning
    epoch = timedelta(seconds=math.ceil(len(loader.dataset) / rate))
    run = timedelta(seconds=epoch.total_seconds() * trainer.arguments["epochs"])
    return Finding(
        OK,
        "speed",
        f"{rate:.0f} images/s in batches of {loader.batch_size}: an epoch takes about {epoch}, "
        f"{trainer.arguments['epochs']} epochs {run}, if the data come as fast",
    )


def _print(finding: Finding) -> None:
    print(f"{finding.verdict:<9}{finding.check:<14}{finding.seen}", flush=True)
    if finding.helps:
        print(f"{'':<23}what helps: {finding.helps}", flush=True)


def _settings(argv: list[str] | None) -> dict[str, Any]:
    options = parser()
    options.prog, options.usage, options.description = NAME, f"{NAME} [options]", EXAMPLES
    given = vars(options.parse_args(argv))
    if unused := [name for name in NOT_KEPT if name in given]:
        raise command.UsageError(
            f"--{unused[0].replace('_', '-')} is of no use here: the doctor looks at a run that "
            "has not begun"
        )
    settings = resolve(given, None)
    # To find the mean image, each image would have to be read; that of the colours is as good here.
    settings["mean"] = "channel"
    return settings


def _run(argv: list[str] | None) -> int:
    settings = _settings(argv)
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        trainer, _ = build_trainer(settings, lambda: Path(folder))
        for finding in _findings(trainer):
            _print(finding)
            verdicts.append(finding.verdict)
    problems, warnings = verdicts.count(PROBLEM), verdicts.count(WARNING)
    if not problems and not warnings:
        print(f"\n{len(verdicts)} checks: nothing that keeps the network from learning")
    else:
        print(f"\n{len(verdicts)} checks: {problems} problem(s), {warnings} warning(s)")
    return FOUND_A_PROBLEM if problems else 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return command.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
