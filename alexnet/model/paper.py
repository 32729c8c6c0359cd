"""AlexNet as in the paper, and the variants of it that the paper compares it with."""

from collections.abc import Mapping, Sequence
from typing import Any

from alexnet.model.base import ImageClassifier
from alexnet.model.initialization import initialize, layer_initialization
from alexnet.model.layer_values import LayerValues
from alexnet.model.shapes import feature_count, require_size, scaled
from alexnet.model.variants import normalization, require_argument
from minigrad import Tensor, nn

# Of section 3.3. The paper's alpha multiplies the sum of squares, ours their mean over 5 channels.
PAPER_NORM: dict[str, Any] = {"kind": "across", "size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
KERNELS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256}
HIDDEN_UNITS = 4096


class AlexNet(ImageClassifier):
    """The network of Krizhevsky, Sutskever and Hinton (2012), section 3.5.

    The two columns that the paper computes on two GPUs are one network with two groups:
    conv2, conv4 and conv5 see the channels of their own column only, conv3 and the fully
    connected layers see both. With images of 224 pixels, the size in the paper, conv1 could not
    give the 55x55 output that the paper states; with 227 pixels it does.

    60,965,224 parameters at 227 pixels and 1000 classes.

    Args:
        num_classes: 2 or more.
        image_size: height and width of the input, at least 67 pixels.
        dropout: probability after fc6 and fc7 (section 4.2).
        init: a name in `INITIALIZERS`.
        bias_init: value of the biases that the paper begins with 1; by default that of `init`.
        input_std: standard deviation of the input, which the "default" of `init` allows for.
        norm: the kind of both normalizations and those of its constants that are not the paper's,
            see `NORM_KINDS`. Alpha belongs to input in gray levels; for other input it
            has to be divided by the square of its scale. As in `nn.LocalResponseNorm`, it is then
            divided by size.
        pool_before_norm: pool first, then normalize, as Caffe's CaffeNet does.
        activation: "relu" or "tanh" (section 3.1).
        pooling: "overlapping" windows of 3x3 pixels, or "plain" ones of 2x2, which give maps of the
            same size at some image sizes only (section 3.4).
        groups: 2 columns, or 1.
        width: multiplies the number of channels and hidden units, of all layers or of single ones.
        without: leaves out conv3 or conv4 (section 7).
    """

    default_image_size = 227
    minimum_image_size = 67
    variants = "norm pool_before_norm activation pooling groups width without".split()
    norms = {
        "code2014": {"alpha": 1e-4},
        "lrn": {},
        "code2012": {"kind": "columns", "alpha": 1e-4},
        "caffe": {"alpha": 1e-4, "k": 1.0},
        "constant": {"kind": "constant"},
        "none": {"kind": "none"},
    }
    default_norm = PAPER_NORM
    hidden_layers = (*KERNELS, "fc6", "fc7")
    code2012_deviations = dict.fromkeys((*hidden_layers, "fc8"), 0.01) | dict.fromkeys(
        ("conv3", "conv4", "conv5"), 0.03
    )
    positive_biases = ("conv2", "conv4", "conv5", "fc6", "fc7")

    def __init__(
        self,
        num_classes: int = 1000,
        image_size: int = 227,
        dropout: float = 0.5,
        init: str = "default",
        *,
        bias_init: float | None = None,
        input_std: float = 1.0,
        norm: Mapping[str, Any] = PAPER_NORM,
        pool_before_norm: bool = False,
        activation: str = "relu",
        pooling: str = "overlapping",
        groups: int = 2,
        width: LayerValues = 1.0,
        without: Sequence[str] = (),
    ):
        require_size(self, num_classes, image_size)
        given = {"norm": norm, "pool_before_norm": pool_before_norm, "activation": activation}
        given |= {"pooling": pooling, "groups": groups, "width": width}
        require_argument("without", without, self.hidden_layers)
        hidden_layers = tuple(name for name in self.hidden_layers if name not in without)
        for name, value in given.items():
            require_argument(name, value, hidden_layers)
        self.layer_names = (*hidden_layers, "fc8")
        channels = {name: scaled(KERNELS[name], width, name) for name in KERNELS}
        fc6, fc7 = (scaled(HIDDEN_UNITS, width, name) for name in ("fc6", "fc7"))
        constants = {**PAPER_NORM, **norm}
        is_relu, window = activation == "relu", 3 if pooling == "overlapping" else 2
        layers: list[nn.Module] = []

        def convolution(name: str, previous: str | None, size: int, **options: Any) -> None:
            inputs = channels[previous] if previous else 3
            conv = nn.Conv2d(inputs, channels[name], size, **options)
            layers.extend([nn.Fused(conv, nn.ReLU())] if is_relu else [conv, nn.Tanh()])

        def norm_and_pool() -> None:
            normalize = normalization(constants, columns=groups)
            pool = nn.MaxPool2d(window, stride=2)
            if normalize is None:
                layers.append(pool)
            elif pool_before_norm:
                layers.extend([pool, normalize])
            elif isinstance(normalize, nn.LocalResponseNorm):
                layers.append(nn.Fused(normalize, pool))
            else:
                layers.extend([normalize, pool])

        def unit() -> nn.Module:
            return nn.ReLU(inplace=True) if is_relu else nn.Tanh()

        with layer_initialization(init):
            convolution("conv1", None, 11, stride=4)
            norm_and_pool()
            convolution("conv2", "conv1", 5, padding=2, groups=groups)
            norm_and_pool()
            previous = "conv2"
            if "conv3" not in without:
                convolution("conv3", previous, 3, padding=1)
                previous = "conv3"
            if "conv4" not in without:
                convolution("conv4", previous, 3, padding=1, groups=groups)
                previous = "conv4"
            convolution("conv5", previous, 3, padding=1, groups=groups)
            self.features = nn.Sequential(*layers, nn.MaxPool2d(window, stride=2))
            if pooling == "plain":
                _require_equal_maps(self.features, image_size)
            self.classifier = nn.Sequential(
                nn.Flatten(),
                nn.Linear(feature_count(self.features, image_size), fc6),
                unit(),
                nn.Dropout(dropout),
                nn.Linear(fc6, fc7),
                unit(),
                nn.Dropout(dropout),
                nn.Linear(fc7, num_classes),
            )
        initialize(self, init, bias_init, input_std)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, image_size, image_size) to class scores (N, num_classes)."""
        return self.classifier(self.features(images))


def _require_equal_maps(features: nn.Sequential, image_size: int) -> None:
    """Raise ValueError unless windows of 2x2 pixels give maps of the size that 3x3 would give."""

    def is_equal(size: int) -> bool:
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                size = layer.output_shape((1, layer.in_channels, size, size))[2]
            elif isinstance(layer, nn.MaxPool2d):
                if size % 2 == 0:  # 3x3 would leave the last row out
                    return False
                size //= 2
        return True

    if not is_equal(image_size):
        sizes = range(AlexNet.minimum_image_size, 2 * image_size)
        nearest = min(filter(is_equal, sizes), key=lambda size: abs(size - image_size))
        raise ValueError(
            f"AlexNet: with images of {image_size} pixels plain pooling would give larger maps "
            f"than overlapping pooling; the nearest size at which it does not is {nearest}"
        )
