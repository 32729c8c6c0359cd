"""The options of commands that read data sets."""

from alexnet import cli
from alexnet.data.images import MAX_PIXELS as MAX_PIXELS_OF_AN_IMAGE
from alexnet.data.sources import NAMES

DATA = cli.Option("--data", choices=NAMES)
DATA_ROOT = cli.Option("--data-root", type=cli.path, metavar="DIR", help="where the data lie")
SUBSET = cli.Option("--subset", type=cli.count, metavar="N")
BAD_IMAGES = cli.Option(
    "--bad-images",
    choices=("error", "skip"),
    help="what to do with files that are no images; default: error",
)
MAX_BAD_IMAGES = cli.Option("--max-bad-images", type=cli.count_or_zero, metavar="N")
MAX_PIXELS = cli.Option(
    "--max-pixels",
    type=cli.count,
    metavar="N",
    help=f"images with more pixels cannot be used; default: {MAX_PIXELS_OF_AN_IMAGE}",
)
WORKERS = cli.Option(
    "-j",
    "--workers",
    type=cli.count_or_zero,
    metavar="N",
    help="threads that decode; default: 2",
)
