"""``python -m alexnet.visualize``: pictures of what a network has learned.

Each command is a module of its own with ``add_options(parser)`` and ``run(arguments)``, which
returns the exit code.
"""

import sys

from alexnet import cli
from alexnet.visualize import (
    activations,
    curves,
    filters,
    map,
    neighbors,
    normalization,
    responses,
    saliency,
)

COMMANDS = {
    "filters": filters,
    "responses": responses,
    "curves": curves,
    "neighbours": neighbors,
    "activations": activations,
    "normalization": normalization,
    "saliency": saliency,
    "map": map,
}


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run_subcommand(
        "python -m alexnet.visualize", "Pictures of what a network has learned.", COMMANDS, argv
    )


if __name__ == "__main__":
    sys.exit(main())
