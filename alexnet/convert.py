"""``python -m alexnet.convert``: networks from and for other programs."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet import cli
from alexnet.data.labels import display_name, words
from alexnet.errors import UsageError
from alexnet.export import check
from alexnet.export.save import NAMES, SUFFIXES
from alexnet.export.slim import DTYPES
from alexnet.export.write import require_writable, write
from alexnet.formats.given import Given
from alexnet.formats.load import load
from alexnet.inference import inputs
from alexnet.model import parameter_count
from alexnet.run.checkpoint import Checkpoint

NAME = "python -m alexnet.convert"
EXAMPLES = f"""\
examples:
  {NAME} runs/photos-alexnet-1 --out photos.safetensors
      the best network of a run, without what only its training needs
  {NAME} runs/photos-alexnet-1 --out photos.safetensors --dtype float16
      half as large
  {NAME} runs/photos-alexnet-1 --out photos.onnx
      for onnxruntime and many other programs; photos.pth is for PyTorch
  {NAME} alexnet-owt-7be5be79.pth --out imagenet.safetensors
      from PyTorch: torchvision's AlexNet
  {NAME} bvlc_alexnet.caffemodel --mean-image imagenet_mean.binaryproto --out caffe.safetensors
      from Caffe
A page beside the file tells others what it is and how it is used.
"""
MAX_BYTES_OF_NAMES = 2**24  # what is given may be a device without an end


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    parser.add_argument(
        "source",
        type=cli.path,
        metavar="SOURCE",
        help="a run folder, whose best network is taken, or a file with weights",
    )
    parser.add_argument(
        "--out",
        type=cli.output_file(*SUFFIXES),
        required=True,
        metavar="FILE",
        help=f"what to write; its name ends in {' or '.join(SUFFIXES)}",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="of the parameters in the file; default: float32",
    )
    parser.add_argument(
        "--names",
        choices=NAMES,
        default="own",
        help="of the parameters in a .safetensors file; torchvision: as in PyTorch; default: own",
    )
    said = parser.add_argument_group("what SOURCE does not say")
    said.add_argument(
        "--classes", type=cli.path, metavar="FILE", help="the names of the outputs, one a line"
    )
    said.add_argument(
        "--map",
        type=cli.path,
        metavar="FILE",
        help='JSON: our name of each parameter by its name in SOURCE, {"conv1.w": '
        '"features.0.weight"}',
    )
    said.add_argument(
        "--image-size", type=cli.count, metavar="PIXELS", help="height and width of the input"
    )
    mean = said.add_mutually_exclusive_group()
    mean.add_argument(
        "--mean",
        type=_levels,
        metavar="R,G,B",
        help="gray levels, 0 to 255, to subtract from red, green and blue",
    )
    mean.add_argument(
        "--mean-image",
        type=cli.path,
        metavar="FILE",
        help="a Caffe .binaryproto with the image to subtract",
    )
    said.add_argument(
        "--std",
        type=_levels,
        metavar="R,G,B",
        help="gray levels to divide red, green and blue by after that",
    )
    return parser


def _levels(text: str) -> tuple[float, ...]:
    """An argparse type: gray levels, which `Given` checks."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not three gray levels: R,G,B") from None


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    source, out = arguments.source, arguments.out
    written_as = {"names": arguments.names, "dtype": arguments.dtype}
    require_writable(out, source, **written_as)
    given = _given(arguments)
    checkpoint = load(source, given)
    checkpoint.require_finite(source)
    form = check.form(source)
    _print("read", f"{source}, {check.FORMS[form]}: {_description(checkpoint)}")
    for assumption in _assumptions(checkpoint, form, given):
        _print("assumed", assumption)
    for comparison in check.read(checkpoint, source, given):
        _print("parity", comparison)
    print(cli.printable(str(write(checkpoint, out, source, **written_as))))
    return 0


def _given(arguments: argparse.Namespace) -> Given:
    return Given(
        classes=_class_names(arguments.classes),
        names=_map_of_names(arguments.map),
        image_size=arguments.image_size,
        mean=arguments.mean,
        std=arguments.std,
        mean_image=arguments.mean_image,
    )


def _class_names(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        names = [name.strip() for name in inputs.listed(_content(path))]
    except OSError as error:
        raise UsageError(f"--classes {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--classes {path}: {error}") from error
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise UsageError(f"--classes {path}: line {names.index('') + 1} is empty")
    return names


def _map_of_names(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        names = json.loads(_content(path))
    except OSError as error:
        raise UsageError(f"--map {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--map {path}: no JSON ({error})") from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise UsageError(f'--map {path}: not of the form {{"name in SOURCE": "our name", ...}}')
    return names


def _content(path: Path) -> bytes:
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES_OF_NAMES + 1)
    if len(content) > MAX_BYTES_OF_NAMES:
        raise ValueError(f"larger than {MAX_BYTES_OF_NAMES:,} bytes")
    return content


def _assumptions(checkpoint: Checkpoint, form: str, given: Given) -> Iterator[str]:
    """What a source of another program does not say, and what was taken instead."""
    if form != "caffe" and given.mean is not None and given.std is None:
        yield "pixels are not scaled after the mean is subtracted; --std scales them"
    if form in ("run", "own"):
        return
    if given.classes is None:
        first = display_name(checkpoint.classes[0])
        yield (
            f"the {len(checkpoint.classes):,} outputs are {first} and so on, as ImageNet's classes "
            "are sorted; --classes names others"
            if checkpoint.classes[0] in words()
            else f"the {len(checkpoint.classes):,} outputs have no names; --classes names them"
        )
    if form != "caffe" and checkpoint.architecture == "alexnet":
        yield "normalization is as in the paper (k = 2, before pooling); Caffe's is another"
    if form != "caffe" and given.mean is None:
        what = "images are" if given.std is None else "but for --std, images are"
        yield f"{what} prepared as torchvision does; --mean and --std say otherwise"


def _description(checkpoint: Checkpoint) -> str:
    """What was read, in a line."""
    preprocessing = checkpoint.preprocessing
    size = preprocessing.image_size
    mean = "a mean image"
    if preprocessing.mean_image is None:
        mean = f"the mean {', '.join(f'{level:.1f}' for level in preprocessing.mean)}"
    scale = ", ".join(f"{factor:.4g}" for factor in np.atleast_1d(preprocessing.scale))
    classes = f"{len(checkpoint.classes):,} classes from {checkpoint.classes[0]!r} on"
    return (
        f"{checkpoint.architecture}, {parameter_count(checkpoint.build()):,} parameters, {classes};"
        f" images resized to {preprocessing.resize} pixels and cropped to {size}x{size}, less "
        f"{mean}, times {scale}"
    )


def _print(what: str, text: str) -> None:
    print(f"{what:<10}{cli.one_line(text)}")


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
