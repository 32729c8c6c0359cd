"""``python -m alexnet.data``: commands about data."""

import sys

from alexnet import command
from alexnet.data import prepare

COMMANDS = {"prepare": prepare}


def _run(argv: list[str] | None) -> int:
    parser = command.Parser(prog="python -m alexnet.data", epilog=command.EXIT_CODES)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(name)
        module.add_options(subparser)
        subparser.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return command.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
