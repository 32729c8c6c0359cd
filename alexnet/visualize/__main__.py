"""``python -m alexnet.visualize``: pictures of what a network has learned.

Each command is a module of its own with ``add_options(parser)`` and ``run(arguments)``, which
returns the exit code.
"""

import argparse
import sys

from alexnet import command
from alexnet.visualize import activations, curves, filters, map, neighbours, responses, saliency

COMMANDS = {
    "filters": filters,
    "responses": responses,
    "curves": curves,
    "neighbours": neighbours,
    "activations": activations,
    "saliency": saliency,
    "map": map,
}


def _run(argv: list[str] | None) -> int:
    parser = command.Parser(
        prog="python -m alexnet.visualize",
        description="Pictures of what a network has learned.",
        epilog=command.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        subparser = commands.add_parser(name, help=summary, description=summary)
        module.add_options(subparser)
        subparser.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return command.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
