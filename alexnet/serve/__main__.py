"""``python -m alexnet.serve``: a page on this machine to play with a network."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from alexnet import cli
from alexnet.data import Dataset
from alexnet.errors import DataError
from alexnet.inference import options
from alexnet.inference.trained import Trained
from alexnet.serve.server import Server
from alexnet.serve.watching import Watched

NAME = "python -m alexnet.serve"
PORT = 8000
EXAMPLES = f"""\
examples:
  {NAME} runs/demo-alexnet-1
      then open http://127.0.0.1:{PORT}/
  {NAME} runs/cifar10-alexnet-1 --watch
      beside a training: the curves, the filters and the answers as they change
"""
LOWER_PRIORITY = 10  # than that of a training beside it


def parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    options.add_checkpoint_option(parser)
    parser.add_argument(
        "--port",
        type=cli.number(int, lambda n: 0 <= n < 2**16, "a port, 0 to 65535"),
        default=PORT,
        metavar="N",
        help=f"default: {PORT}; 0 for any that is free",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show the last network of a run while it learns, with lower priority than it",
    )
    options.add_data_options(parser, split=False)
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = parser().parse_args(argv)

    def load(path: Path) -> Trained:
        given = {name: getattr(arguments, name) for name in ("bad_images", "max_pixels")}
        return Trained(path, **given)

    def training(trained: Trained) -> Dataset:
        return options.dataset(arguments, trained, "train")

    watched = Watched(arguments.checkpoint, arguments.watch, load, training)
    with Server(watched, arguments.port) as server:
        if arguments.watch:
            with contextlib.suppress(AttributeError, OSError):  # Windows has none
                os.nice(LOWER_PRIORITY)
        with contextlib.suppress(DataError):  # it has no network yet
            watched.answers().warm_up()
        print(f"{server.url}   (Ctrl-C ends)", flush=True)
        server.serve_forever()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
