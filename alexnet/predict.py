"""``python -m alexnet.predict``: the most probable classes of images."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, text
from alexnet.data.labels import display_name
from alexnet.data.loader import Batch
from alexnet.errors import UsageError
from alexnet.inference import image_files, load
from alexnet.inference.evaluation import predict
from alexnet.inference.image_files import UNKNOWN, ImageFile
from alexnet.inference.results import top_classes
from minigrad import backend

NAME = "python -m alexnet.predict"
EXAMPLES = f"""\
examples:
  {NAME} runs/demo-alexnet-1 cat.jpg holiday/
      the five most probable classes of an image, and of every image in a folder
  {NAME} best.safetensors - < cat.jpg
      an image from standard input
  find . -name '*.jpg' | {NAME} best.safetensors --list - --json
      the files that another program names, one a line
  {NAME} best.safetensors photos/cat photos/dog --picture predictions.png
      as figure 4 of the paper; a folder called like a class tells what is true
"""
SOME_IMAGES_FAILED = 3
PICTURED_IMAGES, PICTURED_CLASSES = 12, 5  # fit a page


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    load.add_checkpoint_option(parser)
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="a file, a folder, or - for an image on standard input",
    )
    parser.add_argument(
        "--list", metavar="FILE", help="take IMAGEs from the lines of a file; - for standard input"
    )
    parser.add_argument(
        "-k", "--top-k", type=cli.count, default=5, metavar="K", help="classes; default: 5"
    )
    load.add_max_pixels_option(parser)
    load.add_views_option(parser)
    load.add_computing_options(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--picture",
        type=cli.picture,
        metavar="FILE",
        help=f"draw images and probabilities, of up to {PICTURED_IMAGES} images, as .png or .svg",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    names = _names(arguments)
    checkpoint, model = load.network(arguments)
    failed: list[dict[str, str]] = []

    def refuse(name: str, problem: str) -> None:
        failed.append({"image": name, "problem": problem})
        cli.say(f"error: {' '.join(problem.split())}")

    classes = checkpoint.classes
    files = image_files.find(names, classes, refuse)
    batches = image_files.batches(
        files,
        checkpoint.preprocessing,
        max(1, arguments.batch_size // arguments.views),
        arguments.views,
        arguments.workers,
        refuse,
    )
    predicted, pictured = [], []
    for batch, log_probabilities in predict(model, batches, backend.get(arguments.backend)):
        for i, (index, row) in enumerate(zip(batch.indices, np.exp(log_probabilities))):
            file, top = files[index], top_classes(row, classes, arguments.top_k)
            if arguments.json:
                predicted.append(_as_json(file, top, classes))
            else:
                print(cli.printable(as_text(file, top, classes)))
            if arguments.picture and len(pictured) < PICTURED_IMAGES:
                most_probable = top_classes(row, classes, PICTURED_CLASSES)
                pictured.append((_shown(batch, i), file, most_probable))
    if arguments.json:
        print(text.as_json({"images": predicted, "failed": failed}))
    if pictured:
        _draw(pictured, classes, arguments.picture)
        if len(files) - len(failed) > PICTURED_IMAGES:
            cli.say(f"{arguments.picture} shows the first {PICTURED_IMAGES} images only")
    return SOME_IMAGES_FAILED if failed else 0


def _names(arguments: argparse.Namespace) -> list[str]:
    """The names of the images, from the command line and from a list."""
    names = list(arguments.images)
    try:
        if arguments.list == image_files.STANDARD_INPUT:
            names += image_files.listed(sys.stdin.buffer.read())
        elif arguments.list is not None:
            names += image_files.listed(Path(arguments.list).read_bytes())
    except OSError as error:
        raise UsageError(f"--list {arguments.list}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--list {arguments.list}: {error}") from error
    names = [name for name in names if name.strip()]
    if not names:
        raise UsageError("no image is given (see --help)")
    return names


def as_text(file: ImageFile, top: list[tuple[str, float]], classes: list[str]) -> str:
    """The name of an image, and a line for each of its most probable classes."""
    true = f"  (true: {display_name(classes[file.label])})" if file.label != UNKNOWN else ""
    lines = [f"{probability:8.2%}  {display_name(name)}" for name, probability in top]
    return "\n".join(map(cli.one_line, [f"{file.name}{true}", *lines]))


def _as_json(file: ImageFile, top: list[tuple[str, float]], classes: list[str]) -> dict[str, Any]:
    return {
        "image": file.name,
        "true": None if file.label == UNKNOWN else classes[file.label],
        "top": [
            {"class": name, "words": display_name(name), "probability": probability}
            for name, probability in top
        ],
    }


def _shown(batch: Batch, i: int) -> np.ndarray:
    """The middle of an image of a batch, uint8 (S, S, 3), as the network gets it."""
    views = len(batch.images) // len(batch)
    return batch.images[i * views + (4 if views == 10 else 0)]


def _draw(
    pictured: list[tuple[np.ndarray, ImageFile, list[tuple[str, float]]]],
    classes: list[str],
    path: Path,
) -> None:
    # matplotlib takes half a second to import.
    from alexnet import style
    from alexnet.visualize import result_figures

    items = [
        result_figures.Prediction(
            image,
            cli.one_line(Path(file.name).name),
            None if file.label == UNKNOWN else classes[file.label],
            top,
        )
        for image, file, top in pictured
    ]
    style.save(result_figures.predictions(items), path)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
