"""``python -m alexnet``, or ``alexnet`` where it is installed: lists and calls the commands."""

import argparse
import importlib
import sys

import minigrad
from alexnet import cli

COMMANDS = {
    "train": "train a network, or continue a run",
    "evaluate": "how good a trained network is, and where it is wrong",
    "predict": "what a trained network sees in images",
    "features": "what a layer computes of images, as a file",
    "visualize": "pictures of what a network has learned",
    "explain": "where one number of a network comes from, and its gradient",
    "serve": "a page on this machine to play with a network, or to watch one learn",
    "report": "everything about a run in one HTML file",
    "doctor": "what keeps a network from learning, before training",
    "data": "fetch, check and prepare images",
    "convert": "networks from and for other programs",
    "runs": "the runs below a folder, what differs between them, what they reached",
    "compare": "runs side by side, and their networks on the same images",
    "summary": "what each layer of a network computes, and what it costs",
    "experiments": "repeat the claims of the paper, with seeds, intervals and verdicts",
}
# Commands that are folders of modules.
FOLDERS = {"visualize", "explain", "serve", "report", "doctor", "data", "experiments"}


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    parser = cli.Parser(
        prog="python -m alexnet",
        usage="python -m alexnet COMMAND [options]",
        description=f"commands:\n{listed}\n\noptions of a command: python -m alexnet COMMAND -h",
    )
    parser.add_argument(
        "--version", action="version", version=f"minigrad-alexnet {minigrad.__version__}"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first argument names, and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in COMMANDS:
        # Only this command's modules are imported: some take a second.
        module = f"alexnet.{arguments[0]}"
        if arguments[0] in (
            "visualize",
            "explain",
            "serve",
            "report",
            "doctor",
            "data",
            "experiments",
        ):
            module += ".__main__"
        return importlib.import_module(module).main(arguments[1:])

    def run() -> int:
        parser = _parser()
        if not arguments:
            parser.print_help()
            return 0
        if not arguments[0].startswith("-"):
            parser.error(f"there is no command {arguments[0]!r}: expected {', '.join(COMMANDS)}")
        parser.parse_args(arguments)
        return 0

    return cli.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
