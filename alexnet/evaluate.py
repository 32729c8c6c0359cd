"""``python -m alexnet.evaluate``: how good a trained network is."""

import argparse
import contextlib
import json
import sys

from alexnet import command, progress, trained
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
    trained.add_checkpoint_option(parser)
    trained.add_data_options(parser)
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="views of an image; default: 1"
    )
    trained.add_computing_options(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    checkpoint, model = trained.network(arguments)
    dataset = trained.dataset(arguments, checkpoint)
    loader = trained.loader(arguments, checkpoint, dataset, arguments.views)
    scores, batches = Scores(), loader.batches(0)
    with (
        contextlib.closing(batches),
        progress.for_this_terminal()(arguments.split, len(dataset), 0) as report,
    ):
        for batch, log_probabilities in predict(model, batches, backend.get(arguments.backend)):
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
