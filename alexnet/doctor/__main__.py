"""``python -m alexnet.doctor``: look at data, network and settings before training with them."""

import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from alexnet import cli
from alexnet.doctor import PROBLEM, WARNING, Finding, examine
from alexnet.errors import UsageError
from alexnet.formats.load import load
from alexnet.precision import products_in
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import base_settings
from alexnet.training.build import build_trainer
from alexnet.training.declaration import option_name
from alexnet.training.options import new_run, parse
from alexnet.training.settings import Settings

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


def _settings(argv: list[str] | None) -> tuple[Settings, Checkpoint | None]:
    """The settings of the run, and the checkpoint that it would begin with."""
    cli_options, invocation = parse(argv, NAME, EXAMPLES)
    for option in fields(invocation):
        if option.name in ("like", "config"):
            continue
        if getattr(invocation, option.name) != option.default:
            raise UsageError(
                f"{option_name(option.name)} is of no use here: the doctor looks at a run that "
                "has not begun"
            )
    cli_options = base_settings.complete(cli_options, invocation)
    began_with = cli_options.get("init_from")
    pretrained = load(Path(began_with)) if began_with else None
    return new_run(cli_options, pretrained).without_mean_image(), pretrained


def _run(argv: list[str] | None) -> int:
    settings, pretrained = _settings(argv)
    verdicts = []
    with cli.log(), tempfile.TemporaryDirectory() as folder:
        trainer, _ = build_trainer(settings, lambda settings: Path(folder), pretrained=pretrained)
        with products_in(settings.precision):
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
