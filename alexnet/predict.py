"""``python -m alexnet.predict``: the most probable classes of images."""

import argparse
import sys
from typing import Any

from alexnet import cli, style, text
from alexnet.data.labels import display_name
from alexnet.errors import DataError, UsageError
from alexnet.inference import inputs, options
from alexnet.inference.results import Prediction
from alexnet.visualize import result_figures
from alexnet.visualize.result_figures import PICTURED_CLASSES, PICTURED_IMAGES

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


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    options.add_checkpoint_option(parser)
    options.add_images_options(parser)
    parser.add_argument(
        "-k", "--top-k", type=cli.count, default=5, metavar="K", help="classes; default: 5"
    )
    options.add_max_pixels_option(parser)
    options.add_views_option(parser)
    options.add_computing_options(parser)
    options.add_precision_option(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--picture",
        type=cli.picture,
        metavar="FILE",
        help=f"draw images and their {PICTURED_CLASSES} most probable classes, of up to "
        f"{PICTURED_IMAGES} images, as .png or .svg",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    names = options.image_names(arguments)
    if not names:
        raise UsageError("no image is given (see --help)")
    trained = options.network(arguments)
    failed: list[dict[str, str]] = []

    def refuse(name: str, error: DataError) -> None:
        failed.append({"image": name, "problem": str(error)})
        cli.say(f"error: {' '.join(str(error).split())}")

    found = inputs.find(names, trained.classes, refuse)
    predicted, pictured = [], []
    for prediction, pixels in trained.predictions(found, views=arguments.views, refuse=refuse):
        if arguments.json:
            predicted.append(_as_json(prediction, arguments.top_k))
        else:
            print(cli.printable(prediction.as_text(arguments.top_k)))
        if arguments.picture and len(pictured) < PICTURED_IMAGES:
            pictured.append(result_figures.pictured(prediction, pixels))
    if arguments.json:
        results = {"precision": trained.precision, "images": predicted, "failed": failed}
        print(text.as_json(results))
    if pictured:
        style.save(result_figures.predictions(pictured), arguments.picture)
        if len(found) - len(failed) > PICTURED_IMAGES:
            cli.say(f"{arguments.picture} shows the first {PICTURED_IMAGES} images only")
    return SOME_IMAGES_FAILED if failed else 0


def _as_json(prediction: Prediction, top_k: int) -> dict[str, Any]:
    known = prediction.label != inputs.UNKNOWN
    return {
        "image": prediction.name,
        "true": prediction.classes[prediction.label] if known else None,
        "top": [
            {"class": name, "words": display_name(name), "probability": probability}
            for name, probability in prediction.top(top_k)
        ],
    }


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
