"""``mpiexec -n 2 python -m benchmarks.columns``: what two columns send each other in a step."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.columns import Column
from alexnet.errors import UsageError
from alexnet.model import AlexNet
from benchmarks.columns_picture import Messages, draw
from benchmarks.report import add_json_option, save, writable
from minigrad import Tensor, distributed, nn
from minigrad import functional as F
from minigrad.distributed import Team

# What follows the messages of the forward pass, in their order.
PLACES = ("norm1", "norm2", "conv3", "fc6", "fc7", "fc8", "loss")


class CountingTeam(Team):
    """A team that notes what its process sends to the other one."""

    def __init__(self, team: Team):
        self._team = team
        self.rank, self.size = team.rank, team.size
        self.sent: list[Any] = []

    def gather(self, value: Any) -> list[Any]:
        return self._team.gather(value)

    def exchange(self, array: Any, other: int) -> Any:
        self.sent.append(array)
        return self._team.exchange(array, other)


def count(team: Team, image_size: int, batch_size: int, num_classes: int) -> list[Messages]:
    """The messages of a training step, in the order of the network."""
    counting = CountingTeam(team)
    with nn.init.skipped():  # their number does not depend on what is sent
        column = Column(AlexNet(num_classes, image_size), counting)
    images = np.zeros((batch_size, image_size, image_size, 3), np.float32).transpose(0, 3, 1, 2)
    F.cross_entropy(column(Tensor(images)), np.zeros(batch_size, np.int64)).backward()
    forward, backward = counting.sent[: len(PLACES)], counting.sent[len(PLACES) :]
    # Of the scores nothing comes back.
    sizes = [*(array.nbytes for array in reversed(backward)), 0]
    return [
        Messages(place, array.shape, array.nbytes, back)
        for place, array, back in zip(PLACES, forward, sizes, strict=True)
    ]


def table(messages: list[Messages]) -> str:
    """One line for each place, and the sum."""
    lines = [f"{'before':<8}{'an array of':<20}{'forward':>12}{'backward':>12}"]
    for m in messages:
        lines.append(f"{m.before:<8}{m.shape!s:<20}{_mb(m.forward):>12}{_mb(m.backward):>12}")
    forward, backward = sum(m.forward for m in messages), sum(m.backward for m in messages)
    lines.append(f"{'sum':<28}{_mb(forward):>12}{_mb(backward):>12}")
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:.3f} MB" if size else "-"


def _run(argv: list[str] | None) -> int:
    parser = cli.Parser(
        prog="python -m benchmarks.columns",
        description="Count what the processes of two columns (python -m alexnet.train --columns 2) "
        "send each other in a training step. Start it with mpiexec -n 2.",
    )
    parser.add_argument("--image-size", type=cli.count, default=227, metavar="PIXELS")
    parser.add_argument("--classes", type=cli.count, default=1000, metavar="N")
    cli.BATCH_SIZE.add_to(parser, default=128, help="images in a step; default: 128")
    add_json_option(parser)
    parser.add_argument("--plot", type=writable, metavar="FILE", help="draw the messages as a PNG")
    arguments = parser.parse_args(argv)
    team = distributed.world()
    if team.size != 2:
        raise UsageError("two columns are two processes: start this command with mpiexec -n 2")
    sizes = arguments.image_size, arguments.batch_size, arguments.classes
    messages = count(team, *sizes)
    if team.leads:
        print("each process sends in a step\n\n" + table(messages))
        if arguments.plot:
            draw(messages, *sizes, arguments.plot)
        save({"kind": "columns", "messages": [asdict(m) for m in messages]}, arguments.json)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 2 unless there are two processes."""
    return cli.exit_code(lambda: _run(argv), in_a_team=True)


if __name__ == "__main__":
    sys.exit(main())
