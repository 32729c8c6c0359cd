"""``python -m alexnet.explain``: where a number of a network comes from."""

import argparse
import sys
from pathlib import Path

from alexnet import cli, files
from alexnet.data.labels import caption
from alexnet.errors import UsageError
from alexnet.explain import evolution, number, page, text
from alexnet.inference import inputs, layers, options
from alexnet.inference.trained import Trained
from alexnet.run import folder

NAME = "python -m alexnet.explain"
EXAMPLES = f"""\
examples:
  {NAME} runs/demo-alexnet-1 cat.jpg --layer conv2 --channel 17 --position 5,9
      the window, the weights, the sum, and the same from every kernel
  {NAME} cat.jpg --layer norm1 --backward
      the largest number of norm1 and its gradient, in the newest run below runs/
  {NAME} cat.jpg --layer fc8 --channel 3 --out why.html
      the score of class 3; as a page with pictures, too
  {NAME} runs/demo-alexnet-1 --layer conv1 --filter 12 --evolution
      what a filter was in every epoch of a run with --snapshot-filters
"""


def parser() -> argparse.ArgumentParser:
    options_ = cli.Parser(prog=NAME, usage=f"{NAME} [RUN] IMAGE --layer NAME [options]")
    options_.description = EXAMPLES
    options_.add_argument(
        "names",
        nargs="+",
        metavar="RUN IMAGE",
        help="the folder of a run or a checkpoint, by default the newest run below runs/; and an "
        "image file, or - for standard input",
    )
    options_.add_argument(
        "--layer", required=True, metavar="NAME", help="conv1, norm1, pool1, ..., fc8, or loss"
    )
    options_.add_argument(
        "--channel",
        "--filter",
        type=cli.number(int, lambda n: n >= 0, "a channel, 0 or more"),
        metavar="N",
        help="or the unit of a fully connected layer; default: that of the largest number",
    )
    options_.add_argument(
        "--position",
        type=_position,
        metavar="ROW,COLUMN",
        help="default: that of the largest number",
    )
    options_.add_argument(
        "--backward", action="store_true", help="explain the gradient of the loss to it, too"
    )
    options_.add_argument(
        "--label",
        metavar="CLASS",
        help="name or number of the class of the loss; default: that of the image's folder, or "
        "else the most probable one",
    )
    options_.add_argument(
        "--evolution",
        action="store_true",
        help="instead: a filter of conv1 in every epoch, without an image",
    )
    options_.add_argument(
        "--out", type=cli.output_file(".html", ".htm"), metavar="FILE", help="a page with pictures"
    )
    options.add_max_pixels_option(options_)
    return options_


def _position(value: str) -> tuple[int, int]:
    """An argparse type: "5,9"."""
    row, comma, column = value.partition(",")
    if not comma or not row.strip().isdecimal() or not column.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{value!r} is not ROW,COLUMN, as 5,9")
    return int(row), int(column)


def _run(argv: list[str] | None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.evolution:
        return _evolution(arguments)
    if len(arguments.names) > 2:
        raise UsageError(f"one image at a time, got {len(arguments.names)} names (see --help)")
    *run, image = arguments.names
    trained = _trained(arguments, run)
    found = inputs.find([image], trained.classes, inputs.raise_error)
    if len(found) > 1:
        raise UsageError(f"{image} is a folder of {len(found):,} images: name one of them")
    prepared = number.prepared(trained, found[0])
    explanation = number.explain(
        number.passes_for(trained, prepared, _label(trained, arguments.label)),
        prepared,
        trained.classes,
        arguments.layer,
        (arguments.channel, *(arguments.position or ())),
        gradient=arguments.backward,
    )
    print(cli.printable(text.as_text(explanation)))
    if arguments.out:
        _write(arguments.out, page.page(explanation))
    return 0


def _evolution(arguments: argparse.Namespace) -> int:
    if arguments.layer != "conv1":
        raise UsageError(f"--evolution: runs keep the filters of conv1, not of {arguments.layer}")
    if arguments.channel is None:
        raise UsageError("--evolution needs --filter N")
    if len(arguments.names) > 1:
        raise UsageError("--evolution needs a run and no image")
    if arguments.position or arguments.backward or arguments.label:
        raise UsageError("--evolution takes no --position, --backward or --label")
    trained = _trained(arguments, arguments.names)
    shape = layers.convolutions(trained.model)["conv1"].weight.shape
    kernels = evolution.snapshots(trained.folder, shape, arguments.channel)
    print(evolution.as_text(kernels, arguments.channel))
    if arguments.out:
        _write(arguments.out, evolution.page(kernels, arguments.channel))
    return 0


def _trained(arguments: argparse.Namespace, run: list[str]) -> Trained:
    source = Path(run[0]) if run else folder.newest()
    if not run:
        cli.say(cli.printable(f"run: {source}"))
    return Trained(source, max_pixels=arguments.max_pixels)


def _label(trained: Trained, given: str | None) -> int | None:
    """The class that --label names.

    Raises:
        UsageError: there is none.
    """
    if given is None:
        return None
    for names in (trained.classes, list(map(caption, trained.classes))):
        if given in names:
            return names.index(given)
    if given.isdecimal() and len(given) < 10 and int(given) < len(trained.classes):
        return int(given)
    some = ", ".join(map(caption, trained.classes[:5]))
    raise UsageError(
        f"--label {given}: no class of the network; it has {len(trained.classes):,}, 0 to "
        f"{len(trained.classes) - 1}: {some}{', ...' if len(trained.classes) > 5 else ''}"
    )


def _write(path: Path, html: str) -> None:
    files.write(path, html.encode())
    print(cli.printable(f"page: {path}"))


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
