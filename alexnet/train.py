"""``python -m alexnet.train``: train AlexNet on images of any source."""

import sys
import time

from alexnet import cli, interrupts
from alexnet.training import processes
from alexnet.training.options import COMMAND, parse
from alexnet.training.run import Ending, run
from minigrad import distributed
from minigrad.distributed import by_all_processes


def _run(argv: list[str] | None) -> int:
    started = time.monotonic()
    team = distributed.world()
    with processes.one_voice(team):
        with by_all_processes():
            options, invocation = parse(argv)
        ending = run(options, invocation, team, started)
        return 0 if ending is None else _say(ending)


def _say(ending: Ending) -> int:
    """Say how a run ended, and return the exit code."""
    resume = cli.command(COMMAND, "--resume", ending.folder)
    if ending.signal is not None:
        cli.say(f"{interrupts.word(ending.signal)}; continue with: {resume}")
        return 128 + ending.signal
    state = ending.state
    if ending.finished and state.epoch < ending.settings.epochs:
        print(
            f"stopped after epoch {state.epoch}: no better validation top-1 for "
            f"{cli.counted(state.epoch - state.best_epoch, 'epoch')}"
        )
    if state.best_epoch:
        best = f"best top-1 {state.best_top1:.1%} in epoch {state.best_epoch}, {ending.folder}"
        print(cli.printable(best))
    if not ending.finished:
        print(f"stopped after step {ending.steps}; continue with: {resume}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv), in_a_team=True)


if __name__ == "__main__":
    sys.exit(main())
