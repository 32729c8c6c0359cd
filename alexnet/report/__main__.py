"""``python -m alexnet.report``: all about a run in one HTML file that needs no other file."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from alexnet import cli, files
from alexnet.data.options import names_data
from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.inference import layers
from alexnet.inference import options as inference_options
from alexnet.report import html as html_page
from alexnet.report import neighbors, network, results, run
from alexnet.report.content import REPORT, Images, Missing, Report, missing
from alexnet.report.html import Section
from alexnet.run import filter_snapshots

EXAMPLES = f"""\
examples:
  {REPORT} runs/demo-alexnet-1
      writes runs/demo-alexnet-1/report.html
  {REPORT} runs/cifar10-alexnet-1 --data-root data --out cifar10.html
      where the images lie elsewhere than in training
"""

# In the order of the page: id, heading, function.
SECTIONS = (
    ("setup", "Setup", run.setup),
    ("curves", "Learning curves", run.learning_curves),
    ("filters", "Filters of the first layer", network.filters),
    ("responses", "Orientation tuning", network.responses),
    ("accuracy", "Accuracy by class and confusion", results.accuracy),
    ("samples", "Predictions", results.samples),
    ("neighbours", "Nearest neighbors", neighbors.similar_images),
    ("budget", "Speed and cost by layer", network.budget),
    ("environment", "Environment", run.environment),
)


def parser() -> argparse.ArgumentParser:
    options = cli.Parser(prog=REPORT, description=EXAMPLES)
    options.add_argument("checkpoint", type=Path, metavar="RUN", help="the folder of a run")
    options.add_argument(
        "--out",
        type=cli.output_file(".html", ".htm"),
        metavar="FILE",
        help="default: report.html in the run folder",
    )
    inference_options.add_data_options(options)
    inference_options.add_computing_options(options)
    return options


def _run(argv: list[str] | None) -> int:
    arguments = parser().parse_args(argv)
    folder = arguments.checkpoint
    if folder.is_file():
        raise UsageError(f"{folder} is a file: give the folder of the run")
    path = arguments.out or folder / "report.html"
    if folder.is_dir():  # otherwise `read_run` says what is wrong
        cli.writable(path)
    report = read_run(arguments)
    if report.no_images:
        _require_new(path, report.no_images)
    parts = [_section(report, *section) for section in SECTIONS]
    _say_left_out(parts)
    title = f"{folder.resolve().name}: {report.checkpoint.architecture} on {report.data_name}"
    page = html_page.page(title, run.headline(report), parts)
    files.write(path, page.encode())
    print(cli.printable(str(path)))
    return 0


def _require_new(path: Path, reason: str) -> None:
    """Refuse to replace a report, which may have images, by one without.

    Raises:
        DataError: the file is there.
    """
    if path.exists():
        raise DataError(
            f"{reason}; {path} stays as it is: --out FILE writes a report without images"
        )


def read_run(arguments: argparse.Namespace) -> Report:
    """Everything that the sections are written from; why, where images cannot be used.

    Raises:
        CheckpointError, DataError: there is no network; or options name the images, and they
            cannot be used.
    """
    trained = inference_options.network(arguments)
    report = Report(arguments, trained, {})
    try:
        report.snapshots = filter_snapshots.load(report.folder)
        report.no_snapshots = "the kernels of earlier epochs, which were not kept"
        shape = layers.convolutions(trained.model)["conv1"].weight.shape
        if any(kernels.shape != shape for kernels in report.snapshots.values()):
            report.snapshots = {}
            report.no_snapshots = "the kernels that were kept are those of another network"
    except CheckpointError as error:
        report.no_snapshots = str(error)
    try:
        dataset = inference_options.dataset(arguments, trained)
        report.images = Images(dataset, trained.evaluate(dataset, split=arguments.split))
    except (DataError, CheckpointError) as error:
        if names_data(vars(arguments)):
            raise
        report.no_images = str(error)
    return report


def _section(report: Report, id: str, heading: str, write: Callable[[Report], str]) -> Section:
    """A section, or one line that says why it is left out and what would bring it."""
    try:
        return Section(id, heading, write(report))
    except Missing as error:
        reason, remedy = error.reason, error.remedy
    except (DataError, CheckpointError) as error:
        reason, remedy = str(error), ""  # which says what to do
    return Section(id, heading, missing(reason, remedy), left_out=" ".join(reason.split()))


def _say_left_out(parts: list[Section]) -> None:
    """A line for each reason, with the sections that are missing for it."""
    headings: dict[str, list[str]] = {}
    for part in parts:
        if part.left_out:
            headings.setdefault(part.left_out, []).append(part.heading)
    for reason, names in headings.items():
        cli.say(cli.printable(f"left out: {', '.join(names)}: {reason}"))


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
