"""``python -m alexnet.doctor``: look at data, network and settings before training with them."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.doctor import PROBLEM, WARNING, Finding, examine
from alexnet.errors import UsageError
from alexnet.training.build import build_trainer
from alexnet.training.settings import NOT_KEPT, parser, resolve

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


def _print(finding: Finding) -> None:
    print(f"{finding.verdict:<9}{finding.check:<14}{finding.seen}", flush=True)
    if finding.helps:
        print(f"{'':<23}what helps: {finding.helps}", flush=True)


def _settings(argv: list[str] | None) -> dict[str, Any]:
    options = parser()
    options.prog, options.usage, options.description = NAME, f"{NAME} [options]", EXAMPLES
    given = vars(options.parse_args(argv))
    if unused := [name for name in NOT_KEPT if name in given]:
        raise UsageError(
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
        for finding in examine(trainer, lambda table: print(f"\n{table}\n")):
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
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
