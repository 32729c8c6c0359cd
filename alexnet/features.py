"""``python -m alexnet.features``: what a layer computes of images, as a file."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli, files, table_files
from alexnet.data import Dataset
from alexnet.data.options import names_data
from alexnet.errors import OutOfMemory, UsageError
from alexnet.inference import inputs, options
from alexnet.inference.features import Features, features
from alexnet.inference.layers import layer_costs
from alexnet.inference.trained import Trained
from alexnet.precision import products_in
from alexnet.training import resources
from minigrad import backend

NAME = "python -m alexnet.features"
EXAMPLES = f"""\
examples:
  {NAME} runs/cifar10-alexnet-1 --out fc7.npy
      the 4096 numbers of fc7 for each validation image of that run, float32 (images, 4096); the
      names and labels of the images are in fc7.images.csv
  {NAME} runs/cifar10-alexnet-1 --split train --layer fc6 --out fc6.parquet
      those of fc6 for the training images, as a table with image, label and fc6[0], fc6[1], ...
  {NAME} best.safetensors holiday/ cat.jpg --out features.csv
      images from anywhere
"""


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    options.add_checkpoint_option(parser)
    options.add_images_options(parser)
    parser.add_argument(
        "--out",
        type=table_files.output(".npy"),
        metavar="FILE",
        required=True,
        help="as .npy, with the names of the images in FILE.images.csv beside it; or as .csv, "
        ".jsonl or .parquet",
    )
    parser.add_argument(
        "--layer",
        metavar="LAYER",
        help="conv1, norm1, pool1 and so on, fc6 to fc8; default: the last hidden one, fc7",
    )
    options.add_data_options(parser.add_argument_group("a data set, where no IMAGE is given"))
    options.add_computing_options(parser)
    options.add_precision_option(parser)
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    names = options.image_names(arguments)
    are_given = bool(arguments.images) or arguments.list is not None
    if are_given and not names:
        raise UsageError("no image is given (see --help)")
    if are_given and (names_data(vars(arguments)) or arguments.split != options.SPLIT):
        raise UsageError("IMAGE and a data set exclude each other: leave out one of them")
    if arguments.out.suffix.lower() == ".npy":
        cli.writable(_names_file(arguments.out))
    trained = options.network(arguments)
    layer = trained.chosen_layer(arguments.layer)
    if are_given:
        found = inputs.find(names, trained.classes, inputs.raise_error)
        dataset: Dataset = inputs.Inputs(found, trained.classes)
    else:
        dataset = options.dataset(arguments, trained)
    _require_memory(trained, layer, len(dataset))
    batches = trained.loader(dataset).batches(0)
    with products_in(trained.precision):
        computed = features(trained.model, batches, len(dataset), trained.device, layer)
    for path in _write(arguments.out, computed, layer, _image_columns(dataset, computed)):
        cli.say(f"{path}: {layer} of {cli.counted(len(computed.values), 'image')}")
    return 0


def _require_memory(trained: Trained, layer: str, images: int) -> None:
    """Raise OutOfMemory if what the layer computes of all images does not fit."""
    size = trained.checkpoint.preprocessing.image_size
    shapes = {cost.name: cost.output_shape for cost in layer_costs(trained.model, size)}
    needed = 4 * images * math.prod(shapes[layer] or ())
    available = resources.available_memory(backend.get("cpu"))
    if available is not None and needed > available:
        raise OutOfMemory(
            f"{layer} of {images:,} images takes {needed / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB are available: choose fc6 or fc7, or fewer images"
        )


def _image_columns(dataset: Dataset, computed: Features) -> dict[str, Any]:
    """The name and the label of each image; no label where its class is not known."""
    names = ["" if label == inputs.UNKNOWN else dataset.classes[label] for label in computed.labels]
    return {"image": [dataset.name(i) for i in computed.indices.tolist()], "label": names}


def _write(path: Path, computed: Features, layer: str, images: dict[str, Any]) -> list[Path]:
    """Write the file, and for an array a second one with the names; returns their paths."""
    if path.suffix.lower() == ".npy":
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, computed.values)
        table_files.write(_names_file(path), images)
        return [path, _names_file(path)]
    flat = computed.values.reshape(len(computed.values), -1)
    table_files.write(path, images | {f"{layer}[{i}]": column for i, column in enumerate(flat.T)})
    return [path]


def _names_file(path: Path) -> Path:
    return path.with_suffix(".images.csv")


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
