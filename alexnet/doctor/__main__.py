"""``python -m alexnet.doctor``: look at data, network and settings before training with them."""

import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from alexnet import cli, style
from alexnet.doctor import PROBLEM, WARNING, Finding, examine, lr_range
from alexnet.errors import UsageError
from alexnet.formats.load import load
from alexnet.precision import products_in
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import base_settings
from alexnet.training.build import build_trainer
from alexnet.training.declaration import option_name
from alexnet.training.options import new_run, parse
from alexnet.training.settings import Settings
from alexnet.training.trainer import Trainer

NAME = "python -m alexnet.doctor"
EXAMPLES = f"""\
Looks for what keeps a network from learning, in about a minute. Takes the options of
python -m alexnet.train and leaves nothing behind.

examples:
  {NAME}
  {NAME} --data-root photos --lr 0.02
  {NAME} --data-root photos --lr-range curve.png
      instead: 100 steps with a growing rate; the range in which the loss falls, as a picture
"""
OWN_OPTIONS = {
    "lr_range": cli.Option(
        "--lr-range",
        type=cli.picture,
        metavar="FILE",
        help="instead of the checks: draw the loss over a growing learning rate, as .png or .svg",
    )
}
# What is said below the range.
CANNOT_TELL = (
    "The curve sees each rate for one step, from the start of the network. It cannot tell which\n"
    "rate is the best after many epochs, nor with another schedule or batch size."
)
# As in the table of exit codes.
FOUND_A_PROBLEM = 9


def _print(finding: Finding) -> None:
    print(f"{finding.verdict:<9}{finding.check:<14}{finding.seen}", flush=True)
    if finding.helps:
        print(f"{'':<23}what helps: {finding.helps}", flush=True)


def _settings(argv: list[str] | None) -> tuple[Settings, Checkpoint | None, Path | None]:
    """The settings of the run, the checkpoint that it would begin with, and --lr-range."""
    cli_options, invocation = parse(argv, NAME, EXAMPLES, OWN_OPTIONS)
    curve = cli_options.pop("lr_range", None)
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
    settings = new_run(cli_options, pretrained).without_mean_image()
    return settings, pretrained, None if curve is None else Path(curve)


def _draw_lr_range(trainer: Trainer, path: Path) -> int:
    """Measure and draw the curve, and print its range."""
    curve, settings = lr_range.measure(trainer), trainer.settings
    if not curve.rates:
        lowest = settings.lr * lr_range.LOWEST
        print(f"the loss is not finite, even at a learning rate of {lowest:.1g}")
        return FOUND_A_PROBLEM
    style.save(lr_range.figure(curve, f"{settings.arch} on {settings.data}"), path)
    if curve.bounds is None:
        print(f"the loss does not fall with any rate up to {curve.rates[-1]:.1g}: {path}")
        return FOUND_A_PROBLEM
    low, high = curve.bounds
    if low == high:
        print(f"the loss falls only near a learning rate of {low:.1g}, and grows above it: {path}")
        return 0
    print(f"learning rates from {low:.1g} to {high:.1g} (--lr is {settings.lr:g}): {path}")
    print(CANNOT_TELL)
    return 0


def _run(argv: list[str] | None) -> int:
    settings, pretrained, curve = _settings(argv)
    verdicts = []
    with cli.log(), tempfile.TemporaryDirectory() as folder:
        trainer, _ = build_trainer(settings, lambda settings: Path(folder), pretrained=pretrained)
        if curve is not None:
            return _draw_lr_range(trainer, curve)
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
