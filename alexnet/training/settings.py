"""The settings of a training run: their defaults, options, and what a continued run may change.

Everything about a setting is said where it is declared. The command line, the recipes and the
rules for a continued run (`alexnet.training.options`) are derived from these declarations.
"""

import argparse
from dataclasses import dataclass, fields, replace
from typing import Any

from alexnet import cli
from alexnet.cli import Option
from alexnet.data import options as data_options
from alexnet.data.images import MAX_PIXELS
from alexnet.data.transforms import COLOR_NOISE_FORMS
from alexnet.model import ARCHITECTURES, INITIALIZERS, layer_values
from alexnet.precision import PRECISIONS
from alexnet.training import declaration
from alexnet.training.declaration import option_name, setting
from alexnet.training.invocation import Invocation
from alexnet.training.loss import parse_class_weights
from alexnet.training.recipes import OPTIMIZERS, RECIPES

# Names on the command line for `alexnet.data.transforms.Augmentation`.
AUGMENTATIONS = {
    "paper": {"crop": "random", "flip": True},
    "crops": {"crop": "random", "flip": False},
    "flips": {"crop": "center", "flip": True},
    "resized": {"crop": "resized", "flip": True},
    "none": {"crop": "center", "flip": False},
}
LR_SCHEDULES = ("cosine", "plateau", "step", "constant")


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes, and what it keeps.

    Stored with the run, in this order: in run.json and in checkpoints.
    """

    backend: str = setting("cpu", cli.BACKEND, free_on_resume=True)
    precision: str = setting(
        "float32",
        choices=PRECISIONS,
        help="of products; tf32 (GPU) and bf16 are faster and round factors to 3 and to 2 digits; "
        "default: float32",
        free_on_resume=True,
    )
    # "auto" stands for what the folder turns out to hold.
    data: str = setting(
        "demo", data_options.DATA, help="default: what --data-root holds, or demo without one"
    )
    data_root: str | None = setting(None, data_options.DATA_ROOT, free_on_resume=True)
    train_root: str | None = setting(None, data_options.TRAIN_ROOT, free_on_resume=True)
    val_root: str | None = setting(None, data_options.VAL_ROOT, free_on_resume=True)
    image_column: str | None = setting(None, data_options.IMAGE_COLUMN, free_on_resume=True)
    label_column: str | None = setting(None, data_options.LABEL_COLUMN, free_on_resume=True)
    subset: int | None = setting(None, data_options.SUBSET, help="use N of the training images")
    augmentation: str = setting(
        "paper",
        choices=AUGMENTATIONS,
        help="paper (default): random crops and mirroring; crops, flips: one of them; resized: "
        "crops of any size, and mirroring",
        free_on_resume=True,
    )
    color_noise: str = setting(
        "2012",
        choices=(*COLOR_NOISE_FORMS, "none"),
        help="form of the paper's color noise; default: 2012, that of its code",
        free_on_resume=True,
    )
    bad_images: str = setting("error", data_options.BAD_IMAGES, free_on_resume=True)
    max_bad_images: int | None = setting(
        None,
        data_options.MAX_BAD_IMAGES,
        help="stop if more are skipped; default: one in a hundred images",
        free_on_resume=True,
    )
    max_pixels: int = setting(MAX_PIXELS, data_options.MAX_PIXELS, free_on_resume=True)
    # None: one that suits the images.
    image_size: int | None = setting(
        None,
        type=cli.count,
        metavar="PIXELS",
        help="default: the network's own; 115 for images of less than 64 pixels",
    )
    # None: in the paper's proportion to the size of the crops.
    resize: int | None = setting(
        None,
        type=cli.count,
        metavar="PIXELS",
        help="height and width of the central square that crops are taken from; default: "
        "--image-size times 256/227",
    )
    # The checkpoint itself refuses another network.
    arch: str = setting(
        "alexnet", choices=ARCHITECTURES, help="default: alexnet", free_on_resume=True
    )
    # The network's arguments that are not the default ones, see `Checkpoint.network`: those of the
    # checkpoint that the run begins with.
    network: dict[str, Any] | None = setting(None, free_on_resume=True)
    recipe: str = setting("default", choices=RECIPES, help="settings to start from")
    seed: int = setting(0, cli.SEED, help="of all randomness; default: 0")
    workers: int = setting(2, data_options.WORKERS, free_on_resume=True)
    init_from: str | None = setting(
        None,
        type=cli.path,
        metavar="SOURCE",
        help="begin with the parameters of a run, or of a file, PyTorch's and Caffe's included, as "
        "far as they fit",
    )
    keep: int = setting(
        1,
        type=cli.count_or_zero,
        metavar="N",
        help="checkpoints that stay besides the last and the best; default: 1",
        free_on_resume=True,
    )
    save_every: int | None = setting(
        None, type=cli.count, metavar="N", help="save every N steps, too", free_on_resume=True
    )
    accumulate: int = setting(
        1,
        type=cli.count,
        metavar="K",
        help="process each batch in K parts: the same gradients, the memory of a part; default: "
        "one for each process",
        free_on_resume=True,
    )
    columns: int = setting(
        1,
        type=int,
        choices=(1, 2),
        help="2: compute the network's two columns in two processes, as the paper did; default: 1",
        free_on_resume=True,
    )
    patience: int | None = setting(
        None,
        type=cli.count,
        metavar="N",
        help="end after N epochs without a better validation top-1",
        free_on_resume=True,
    )
    log_every: int | None = setting(
        None,
        type=cli.count,
        metavar="N",
        help="a row in steps.csv every N steps",
        free_on_resume=True,
    )
    tensorboard: bool = setting(
        False,
        action=argparse.BooleanOptionalAction,
        help="also write event files for TensorBoard",
        free_on_resume=True,
    )
    snapshot_filters: bool = setting(
        False,
        action=argparse.BooleanOptionalAction,
        help="keep conv1's kernels of every epoch, to be shown by python -m alexnet.visualize",
        free_on_resume=True,
    )

    # Recipes decide the following ones; the values here are those of the default recipe.
    batch_size: int = setting(32, cli.BATCH_SIZE, help="images in a step")
    epochs: int = setting(
        10, type=cli.count, metavar="N", help="passes over the images", free_on_resume=True
    )
    # Of the weights; with "sgd" that of the biases is twice as large.
    lr: float = setting(
        0.01,
        type=cli.positive,
        metavar="RATE",
        help="learning rate of the weights",
        free_on_resume=True,
    )
    momentum: float = setting(
        0.9, type=cli.fraction, metavar="M", help="of sgd and lars", free_on_resume=True
    )
    nesterov: bool = setting(
        False,
        action=argparse.BooleanOptionalAction,
        help="Nesterov's momentum, of sgd",
        free_on_resume=True,
    )
    # Biases are not decayed.
    weight_decay: layer_values.LayerValues = setting(
        5e-4,
        type=layer_values.parser(cli.at_least_zero),
        metavar="D[,LAYER=D...]",
        help="of the weights; 0.004,fc8=1: of those of fc8 another one; default: 0.0005, but for "
        "alexnet's conv1 0.01",
        free_on_resume=True,
    )
    optimizer: str = setting(
        "sgd",
        choices=OPTIMIZERS,
        help="sgd is the paper's form; lars, for large batches, has a --lr of 5 by default",
    )
    clip_grad_norm: float | None = setting(
        None,
        type=declaration.or_none(cli.positive),
        metavar="NORM",
        help="make the gradients of a step smaller if all together are longer than this",
        free_on_resume=True,
    )
    ema: float | None = setting(
        None,
        type=declaration.or_none(cli.share),
        metavar="DECAY",
        help="validate and keep a moving average of the parameters: 0.999 is about the mean of the "
        "last thousand steps",
        free_on_resume=True,
    )
    label_smoothing: float = setting(
        0.0,
        type=cli.fraction,
        metavar="S",
        help="the share of each label that is spread over all classes; default: 0",
        free_on_resume=True,
    )
    # By name where they are from a file.
    class_weights: str | dict[str, float] | None = setting(
        None,
        type=parse_class_weights,
        metavar="auto|FILE",
        help="of each class in the loss: inverse to its number of images, or from lines "
        "CLASS,WEIGHT",
        free_on_resume=True,
    )
    sampling: str = setting(
        "shuffled",
        choices=("shuffled", "balanced"),
        help="balanced: in each epoch as many images of each class, some several times, some not; "
        "default: each image once",
    )
    freeze: list[str] | None = setting(
        None,
        type=declaration.or_none(declaration.layers),
        metavar="LAYERS",
        help="layers that do not learn: conv1,conv2; none: all learn",
        free_on_resume=True,
    )
    # To zero along a cosine; multiplied by lr_gamma when the validation error stalls ("plateau"),
    # or after every lr_step epochs or each of lr_milestones ("step"); or constant.
    lr_schedule: str = setting("cosine", choices=LR_SCHEDULES)
    # None: a third of all epochs.
    lr_step: int | None = setting(
        None,
        schedules=("step",),
        type=cli.count,
        metavar="EPOCHS",
        help="length of the steps of step; default: a third of the epochs",
    )
    lr_milestones: list[int] | None = setting(
        None,
        schedules=("step",),
        type=declaration.milestones,
        metavar="EPOCH,...",
        help="the epochs after which step lowers the rate, in place of equal steps: 15,25",
    )
    lr_gamma: float = setting(
        0.1,
        schedules=("step", "plateau"),
        type=cli.share,
        metavar="G",
        help="factor of step and plateau",
    )
    lr_patience: int = setting(
        2,
        schedules=("plateau",),
        type=cli.count_or_zero,
        metavar="N",
        help="epochs without a better validation top-1 that plateau waits for",
    )
    warmup: float = setting(
        0.05,
        type=cli.fraction,
        metavar="SHARE",
        help="of all steps, over which the rate rises from 0; 0: none",
    )
    dropout: float = setting(
        0.5, type=cli.fraction, metavar="P", help="in the hidden layers", free_on_resume=True
    )
    init: str = setting("default", choices=INITIALIZERS, help="how the parameters begin")
    bias_init: float | None = setting(
        None,
        type=cli.at_least_zero,
        metavar="B",
        help="of the biases that the paper begins with 1; default: as --init has it",
    )
    mean: str = setting(
        "channel",
        choices=("channel", "image"),
        help="of each color channel, or of each pixel",
    )
    # Natural images have a standard deviation of about 64 gray levels: unit input. A list of three,
    # for red, green and blue, where the network that --init-from names has it.
    scale: float | list[float] = setting(
        1 / 64, type=declaration.scale, metavar="F", help="factor on gray levels of 0 to 255"
    )

    def without_mean_image(self) -> "Settings":
        """The same run with the mean of each channel, which is found without reading all images."""
        return replace(self, mean="channel")


@dataclass(frozen=True)
class NetworkOptions:
    """Options that choose a variant of the network; together they make `Settings.network`."""

    activation: str | None = setting(
        None, choices=("relu", "tanh"), help="of the hidden layers; default: relu"
    )
    norm: str | None = setting(
        None,
        choices=tuple(dict.fromkeys(n for kind in ARCHITECTURES.values() for n in kind.norms)),
        help="code2014: the paper's with the alpha of its authors' code; lrn: as the paper writes "
        "it, for --arch cifar that of the network with 11%% error; code2012: each column by "
        "itself, as in the code; caffe: its constants; within: over pixels, not channels; "
        "constant: a multiplication by --norm-gain; default: code2014, lrn for --recipe paper, and "
        "within for --arch cifar",
    )
    norm_gain: float | None = setting(
        None, type=cli.positive, metavar="G", help="what --norm constant multiplies by"
    )
    pooling: str | None = setting(
        None,
        choices=("overlapping", "plain"),
        help="plain: windows of 2x2 pixels instead of 3x3 (default)",
    )
    groups: int | None = setting(
        None, type=int, choices=(1, 2), help="columns of conv2, conv4 and conv5; default: 2"
    )
    width: layer_values.LayerValues | None = setting(
        None,
        type=layer_values.parser(cli.positive),
        metavar="W[,LAYER=W...]",
        help="factor on the number of channels and hidden units; 0.5,conv5=1: half of them, but "
        "all in conv5",
    )
    without: list[str] | None = setting(
        None,
        type=declaration.removed_layers,
        metavar="LAYERS",
        help="leave out conv3, conv4 or both: conv3,conv4",
    )


# The classes whose fields are options of the training.
OPTION_KINDS = (Settings, NetworkOptions, Invocation)


def options(*kinds: type) -> dict[str, Option]:
    """The options of settings that the command line can give, by the name of the field.

    Args:
        kinds: the classes that declare them; by default all.
    """
    found = {}
    for declared in (f for kind in kinds or OPTION_KINDS for f in fields(kind)):
        option, keywords = declared.metadata["option"], declared.metadata["keywords"]
        if option is not None:
            found[declared.name] = Option(*option.flags, **{**option.keywords, **keywords})
        elif keywords:
            found[declared.name] = Option(option_name(declared.name), **keywords)
    return found
