"""``python -m alexnet.experiments``: repeat the claims of the paper, with seeds and intervals."""

import argparse
import sys
import time
from pathlib import Path

from alexnet import cli, style
from alexnet.data import options as data_options
from alexnet.errors import UsageError
from alexnet.experiments.arm_settings import Computing
from alexnet.experiments.catalog import EXPERIMENTS
from alexnet.experiments.experiment import Experiment
from alexnet.experiments.figure import experiment_figure
from alexnet.experiments.listing import listing
from alexnet.experiments.runner import Request, recorded, repeat, require_arm, run_missing
from alexnet.experiments.tables import overview, page
from alexnet.precision import PRECISIONS
from alexnet.run.folder import RUNS
from alexnet.training.declaration import option_name

NAME = "python -m alexnet.experiments"
EXAMPLES = f"""\
examples:
  {NAME}
      list the experiments
  {NAME} figure1 --quick
      a tiny form on the demo set, to see that everything works
  {NAME} figure1 --data-root data --max-time 2h
      make what is missing of the runs; the same command continues later
  {NAME} figure1 --table --plot figure1.png
      the results so far
  {NAME} --table --rows docs/experiments
      those of all experiments, from the files NAME.csv of a folder
  {NAME} figure1 --data-root data --repeat relu:0
      rerun a run and compare it digit for digit: exit code 1 if it differs
"""
ROWS = "rows.csv"
# The options that have an effect, by what is done; --data-root chooses the quick form of the data.
USED = {
    "--table and --plot": {"table", "plot", "quick", "data_root", "out", "rows"},
    "--repeat": {
        *("repeat", "quick", "data_root", "backend", "precision", "workers", "out", "rows"),
    },
}


def _arms(text: str) -> tuple[str, ...]:
    """An argparse type: names between commas."""
    return tuple(text.split(","))


def _run_name(text: str) -> tuple[str, int]:
    """An argparse type: ARM:SEED."""
    arm, _, seed = text.partition(":")
    if not seed.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no ARM:SEED, such as relu:0")
    return arm, int(seed)


def _parser() -> cli.Parser:
    parser = cli.Parser(prog=NAME, usage=f"{NAME} [NAME] [options]", description=EXAMPLES)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="an experiment; without one they are listed"
    )
    runs = parser.add_argument_group("runs")
    runs.add_argument(
        "--seeds", type=cli.count, metavar="N", help="of each arm; default: as the list says"
    )
    runs.add_argument("--arms", type=_arms, metavar="A,B", help="only these; default: all")
    runs.add_argument(
        "--quick",
        action="store_true",
        help="a tiny form, with rows of its own; without --data-root on the demo set",
    )
    runs.add_argument(
        "--max-time", type=cli.duration, metavar="TIME", help="stop, saved, after a time like 2h30m"
    )
    data_options.DATA_ROOT.add_to(runs)
    cli.BACKEND.add_to(runs)
    runs.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of products in training; rows of two precisions do not mix; default: float32",
    )
    data_options.WORKERS.add_to(runs)
    runs.add_argument(
        "--out", type=cli.path, metavar="DIR", help=f"default: {RUNS / 'experiments'}/NAME"
    )
    runs.add_argument(
        "--rows",
        type=cli.path,
        metavar="FILE",
        help=f"the record, CSV; default: DIR/{ROWS}; without NAME: a folder of them, NAME.csv",
    )
    runs.add_argument(
        "--keep-networks",
        action="store_true",
        help="keep the network of the last epoch of each run; default: remove it after the row",
    )
    results = parser.add_argument_group("results, instead of running")
    results.add_argument("--table", action="store_true", help="print the tables in Markdown")
    results.add_argument("--plot", type=cli.picture, metavar="FILE", help="draw, as .png or .svg")
    results.add_argument(
        "--repeat",
        type=_run_name,
        metavar="ARM:SEED",
        help="rerun a run of the record, and compare every measure",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    started = time.monotonic()
    arguments = _parser().parse_args(argv)
    _require_effect(arguments)
    if arguments.name is None:
        _show_all(arguments.table, arguments.rows)
        return 0
    request = _request(arguments)
    if arguments.table or arguments.plot is not None:
        _show(request, arguments.table, arguments.plot)
        return 0
    if arguments.repeat:
        return repeat(request, *arguments.repeat)
    return run_missing(request, started)


def _require_effect(arguments: argparse.Namespace) -> None:
    """Refuse options that have no effect beside the others.

    Raises:
        UsageError: there is one.
    """
    values = vars(arguments)
    given = [
        name
        for name in values
        if name != "name" and not (values[name] is None or values[name] is False)
    ]
    if arguments.name is None:
        if unused := [name for name in given if name not in ("table", "rows")]:
            raise UsageError(f"{option_name(unused[0])} needs the NAME of an experiment")
        return
    shows = arguments.table or arguments.plot is not None
    if shows and arguments.repeat:
        raise UsageError("--repeat makes a run, --table and --plot show what there is: give one")
    if not shows and not arguments.repeat:
        return
    mode = "--table and --plot" if shows else "--repeat"
    for name in given:
        if name not in USED[mode]:
            raise UsageError(f"{option_name(name)} has no effect with {mode}: leave it out")
    if shows and arguments.data_root is not None and not arguments.quick:
        raise UsageError("--data-root has no effect with --table and --plot: leave it out")


def _show_all(table: bool, folder: Path | None) -> None:
    """List the experiments, or print what is known of all their comparisons.

    Args:
        folder: has NAME.csv of each; None: each has its record in the folder of its runs.
    """
    paths = {
        name: _folder(name) / ROWS if folder is None else folder / f"{name}.csv"
        for name in EXPERIMENTS
    }
    if not table:
        print(listing(EXPERIMENTS, paths))
        return
    records = {name: recorded(EXPERIMENTS[name], path) for name, path in paths.items()}
    known = {name: record for name, record in records.items() if record.rows}
    if not known:
        raise UsageError(f"no experiment has rows yet in {folder or _folder('NAME')}")
    print(cli.printable(overview(known, EXPERIMENTS)))


def _folder(name: str) -> Path:
    return RUNS / "experiments" / name


def _request(arguments: argparse.Namespace) -> Request:
    """What the options ask for.

    Raises:
        UsageError: there is no such experiment, arm or seed.
    """
    if arguments.name not in EXPERIMENTS:
        raise UsageError(
            f"there is no experiment {arguments.name!r}: choose from {', '.join(EXPERIMENTS)}"
        )
    experiment = EXPERIMENTS[arguments.name]
    if arguments.quick:
        experiment = experiment.quick_form(has_data=arguments.data_root is not None)
    arms = _chosen_arms(experiment, arguments.arms)
    seeds = arguments.seeds or experiment.seeds
    search = experiment.rates_from
    if search is not None and (
        chosen := set(search.seed_numbers()) & set(experiment.seed_numbers(seeds))
    ):
        raise UsageError(
            f"--seeds {seeds}: the rates were chosen with seed {min(chosen)}, so that it cannot "
            "count as a result"
        )
    out = arguments.out or _folder(experiment.name)
    root = None if arguments.data_root is None else str(arguments.data_root)
    given = {name: getattr(arguments, name) for name in ("backend", "workers", "precision")}
    computing = Computing(root, **{k: v for k, v in given.items() if v is not None})
    rows = arguments.rows or out / ROWS
    return Request(
        experiment,
        out,
        rows,
        computing,
        seeds,
        arms,
        arguments.max_time,
        arguments.keep_networks,
    )


def _chosen_arms(experiment: Experiment, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The arms of these names, in the order of the experiment."""
    for name in names or ():
        require_arm(experiment, name)
    return tuple(arm for arm in experiment.arms if names is None or arm in names)


def _show(request: Request, table: bool, plot: Path | None) -> None:
    """Print the tables and draw the figure of the rows there are."""
    record = recorded(request.experiment, request.rows)
    if not record.rows:
        raise UsageError(f"{request.rows} has no rows yet: leave out --table and --plot to run")
    if table:
        print(cli.printable(page(request.experiment, record)))
    if plot is not None:
        style.save(experiment_figure(request.experiment, record), plot)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
