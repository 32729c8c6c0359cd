"""``python -m alexnet.summary``: shape, parameters and cost of each layer of a network."""

import argparse
import sys

import numpy as np

import minigrad as mg
from alexnet import cli
from alexnet.errors import UsageError
from alexnet.inference.layers import layer_costs, named_layers
from alexnet.model import ARCHITECTURES, chosen_variants
from alexnet.training.settings import NetworkOptions, options
from minigrad import backend, nn
from minigrad import functional as F
from minigrad.drawing import Drawing

NAME = "python -m alexnet.summary"
EXAMPLES = f"""\
examples:
  {NAME}
      the paper's network with a batch of 128 images
  {NAME} --arch owt --classes 10 --batch-size 64
  {NAME} --groups 1 --width 0.5,conv5=1 --without conv3,conv4
      a variant of it, by the options of python -m alexnet.train
  {NAME} --graph graph.svg
      also a picture of the operations that a training step records
"""


def table(model: nn.Module, image_size: int, batch_size: int) -> str:
    """The costs as text, with totals."""
    costs = layer_costs(model, image_size)
    lines = [
        f"{'layer':<10}{'kind':<18}{'output':>13}{'parameters':>13}{'multiply-adds':>15}"
        f"{'output MB':>11}"
    ]
    for cost in costs:
        shape = "x".join(map(str, cost.output_shape))
        lines.append(
            f"{cost.name:<10}{cost.kind:<18}{shape:>13}{cost.parameters:>13,}"
            f"{cost.multiply_adds:>15,}{cost.output_bytes * batch_size / 1e6:>11.1f}"
        )
    parameters = sum(cost.parameters for cost in costs)
    multiply_adds = sum(cost.multiply_adds for cost in costs)
    activations = sum(cost.output_bytes for cost in costs) * batch_size
    lines += [
        "-" * len(lines[0]),
        f"{'total':<41}{parameters:>13,}{multiply_adds:>15,}{activations / 1e6:>11.1f}",
        "",
        f"One image: {2 * multiply_adds / 1e9:.2f} GFLOP forward, "
        f"{6 * multiply_adds / 1e9:.2f} GFLOP forward and backward.",
        f"Memory: parameters {4 * parameters / 1e6:.0f} MB, with gradients and momentum "
        f"{12 * parameters / 1e6:.0f} MB;",
        f"outputs of all layers at batch size {batch_size} {activations / 1e6:.0f} MB, kept for "
        "the backward pass.",
    ]
    return "\n".join(lines)


def graph(model: nn.Module, image_size: int) -> Drawing:
    """The operations from one image to the loss, as in training, with the names of the layers."""
    pixels = np.zeros((1, 3, image_size, image_size), np.float32)
    images = mg.Tensor(backend.get("cpu").images(pixels))  # in the order that loaders give
    names = {"images": images}
    for layer, module in named_layers(model).items():
        names |= {f"{layer}.{name}": values for name, values in module.named_parameters()}
    loss = F.cross_entropy(model.train()(images), np.zeros(1, np.int64))
    return mg.draw(loss, names)


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    parser.add_argument("--arch", choices=ARCHITECTURES, default="alexnet")
    for option in options(NetworkOptions).values():
        option.add_to(parser)
    parser.add_argument(
        "--classes", type=cli.count, metavar="N", help="default: 1000, and 10 for --arch cifar"
    )
    parser.add_argument(
        "--image-size", type=cli.count, metavar="PIXELS", help="default: the network's own"
    )
    cli.BATCH_SIZE.add_to(parser, default=128, help="default: 128")
    parser.add_argument(
        "--graph",
        type=cli.output_file(".svg"),
        metavar="FILE.svg",
        help="draw the operations from one image to the loss, and what each saves for backward",
    )
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    architecture = ARCHITECTURES[arguments.arch]
    image_size = arguments.image_size or architecture.default_image_size
    classes = {} if arguments.classes is None else {"num_classes": arguments.classes}
    given = {name: getattr(arguments, name) for name in options(NetworkOptions)}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        variants = chosen_variants(arguments.arch, chosen)
        model = architecture(**classes, image_size=image_size, init="torch", **variants)
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(table(model, image_size, arguments.batch_size))
    if arguments.graph is not None:
        graph(model, image_size).save(arguments.graph)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
