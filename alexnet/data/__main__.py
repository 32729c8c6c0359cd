"""``python -m alexnet.data``: commands that prepare data, one module each.

A module has ``add_options(parser)`` and ``run(arguments)``, which returns the exit code.
"""

import sys

from alexnet import cli
from alexnet.data.commands import check, fetch, prepare

COMMANDS = {"fetch": fetch, "prepare": prepare, "check": check}


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run_subcommand(
        "python -m alexnet.data", "Get data ready to train with.", COMMANDS, argv
    )


if __name__ == "__main__":
    sys.exit(main())
