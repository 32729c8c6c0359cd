"""``python -m alexnet.evaluate``: how good a trained network is."""

import argparse
import contextlib
import json
import sys
from pathlib import Path

from alexnet import command, progress
from alexnet.checkpoint import BEST, LAST, Checkpoint, find
from alexnet.data import DataError, load, recognize
from alexnet.data.bad_images import BadImages
from alexnet.data.loader import Loader
from alexnet.data.sources import NAMES
from alexnet.evaluation import Scores, predict
from minigrad import backend

NAME = "python -m alexnet.evaluate"
EXAMPLES = f"""\
examples:
  {NAME} runs/demo-alexnet-1
      the best network of a run, on the validation images of that run
  {NAME} runs/cifar10-alexnet-1 --views 10
      the mean over ten views of each image, as in the paper
  {NAME} best.safetensors --data-root photos --split test
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.Parser(
        prog=NAME,
        description=EXAMPLES,
        epilog=command.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", type=Path, help="a run folder or a checkpoint")
    parser.add_argument("--data", choices=NAMES, help="default: that of the run")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="which set"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="views of an image; default: 1"
    )
    parser.add_argument("--backend", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("-b", "--batch-size", type=command.count, default=128, metavar="N")
    parser.add_argument(
        "-j", "--workers", type=command.count_or_zero, default=2, metavar="N", help="threads"
    )
    parser.add_argument("--bad-images", choices=("error", "skip"), default="error")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


def _dataset(arguments: argparse.Namespace, checkpoint: Checkpoint):
    """The set to evaluate; where nothing else is said, that of the run."""
    of_run = checkpoint.arguments
    root = arguments.data_root or of_run.get("data_root")
    name = arguments.data
    if name is None:
        name = "auto" if arguments.data_root else of_run.get("data", "demo")
    if name == "auto":
        name = recognize(root)
    splits = load(name, root, of_run.get("seed", 0))
    if arguments.split not in splits:
        raise DataError(
            f"{name} has no set {arguments.split!r}; it has {', '.join(map(repr, splits))}"
        )
    return splits[arguments.split]


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    device = backend.get(arguments.backend)
    checkpoint = Checkpoint.load(find(arguments.checkpoint, BEST, LAST))
    dataset = _dataset(arguments, checkpoint)
    checkpoint.require(checkpoint.architecture, dataset.classes)
    model = checkpoint.build().to(arguments.backend)
    loader = Loader(
        dataset,
        checkpoint.preprocessing,
        max(1, arguments.batch_size // arguments.views),
        ten_views=arguments.views == 10,
        bad_images=BadImages(arguments.bad_images == "skip", limit=len(dataset)),
        workers=arguments.workers,
    )
    scores, batches = Scores(), loader.batches(0)
    with (
        contextlib.closing(batches),
        progress.for_this_terminal()(arguments.split, len(dataset), 0) as report,
    ):
        for batch, log_probabilities in predict(model, batches, device):
            scores.add(log_probabilities, batch.labels)
            report(len(batch), scores.loss.value, scores.top1.value, 0.0)
    result = scores.result()
    if arguments.json:
        print(
            json.dumps(result._asdict() | {"images": scores.loss.count, "views": arguments.views})
        )
    else:
        print(
            f"{scores.loss.count:,} {arguments.split} images, {arguments.views} view(s): "
            f"loss {result.loss:.3f}, top-1 {result.top1:.1%}, top-5 {result.top5:.1%}"
        )
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return command.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
