"""The small networks for CIFAR-10 that the paper's authors published before it, in cuda-convnet."""

from collections.abc import Mapping
from typing import Any

from alexnet.model.base import ImageClassifier
from alexnet.model.initialization import initialize, layer_initialization
from alexnet.model.layer_values import LayerValues
from alexnet.model.shapes import feature_count, require_size, scaled
from alexnet.model.variants import normalization, require_argument
from minigrad import Tensor, nn

KERNELS = {"conv1": 32, "conv2": 32, "conv3": 64}
# Of "layers-conv-local-11pct.cfg" and "layers-18pct.cfg"; k is 1 in both.
ACROSS_NORM = {"kind": "across", "size": 9, "alpha": 1e-3, "beta": 0.75, "k": 1.0}
WITHIN_NORM = {"kind": "within", "size": 3, "alpha": 5e-5, "beta": 0.75, "k": 1.0}


class CifarNet(ImageClassifier):
    """Three convolutions and a fully connected layer for images of 32 pixels.

    Layers, sizes and their order are those of cuda-convnet's "layers-18pct.cfg", with which its
    author reported an error of 18% on CIFAR-10; without normalization, of "layers-19pct.cfg". The
    paper refers to these files for the network of section 3.3 that normalizes across channels, and
    has a network with four layers in figure 1. Windows of the poolings hang over the right and the
    lower edge, and an average is over the pixels inside.

    89,578 parameters at 32 pixels and 10 classes.

    Args:
        num_classes: 2 or more.
        image_size: height and width of the input, at least 12 pixels.
        dropout: probability before the fully connected layer; the original has none.
        init: a name in `INITIALIZERS`.
        bias_init: value of the biases of conv2 and conv3.
        input_std: as for `AlexNet`.
        norm: the kind of both normalizations, which follow the first two poolings, and those of its
            constants that are not cuda-convnet's; see `AlexNet`.
        activation: "relu" or "tanh".
        pooling: "overlapping" windows of 3x3 pixels, or "plain" ones of 2x2.
        width: multiplies the number of channels, of all layers or of single ones.
    """

    default_image_size = 32
    minimum_image_size = 12
    variants = ("norm", "activation", "pooling", "width")
    norms = {
        "within": {},
        "lrn": ACROSS_NORM,
        "constant": {"kind": "constant"},
        "none": {"kind": "none"},
    }
    default_norm = WITHIN_NORM
    hidden_layers = tuple(KERNELS)
    layer_names = (*hidden_layers, "fc4")
    code2012_deviations = dict(zip(layer_names, (0.0001, 0.01, 0.01, 0.01)))
    code2012_bias = 0.0
    positive_biases = ("conv2", "conv3")

    def __init__(
        self,
        num_classes: int = 10,
        image_size: int = 32,
        dropout: float = 0.0,
        init: str = "default",
        *,
        bias_init: float | None = None,
        input_std: float = 1.0,
        norm: Mapping[str, Any] = WITHIN_NORM,
        activation: str = "relu",
        pooling: str = "overlapping",
        width: LayerValues = 1.0,
    ):
        require_size(self, num_classes, image_size)
        given = {"norm": norm, "activation": activation, "pooling": pooling, "width": width}
        for name, value in given.items():
            require_argument(name, value, self.hidden_layers)
        c1, c2, c3 = (scaled(KERNELS[name], width, name) for name in KERNELS)
        defaults = ACROSS_NORM if norm.get("kind", "within") == "across" else WITHIN_NORM
        size = 3 if pooling == "overlapping" else 2
        window: dict[str, Any] = {"kernel_size": size, "stride": 2, "ceil_mode": True}

        def unit() -> nn.Module:
            return nn.ReLU() if activation == "relu" else nn.Tanh()

        def normalize() -> list[nn.Module]:
            layer = normalization({**defaults, **norm}, columns=1)
            return [] if layer is None else [layer]

        def convolution(inputs: int, outputs: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, kernel_size=5, padding=2)
            return [nn.Fused(conv, nn.ReLU())] if activation == "relu" else [conv, nn.Tanh()]

        with layer_initialization(init):
            self.features = nn.Sequential(
                nn.Conv2d(3, c1, kernel_size=5, padding=2),
                nn.MaxPool2d(**window),
                unit(),
                *normalize(),
                *convolution(c1, c2),
                nn.AvgPool2d(**window, count_include_pad=False),
                *normalize(),
                *convolution(c2, c3),
                nn.AvgPool2d(**window, count_include_pad=False),
            )
            self.classifier = nn.Sequential(
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(feature_count(self.features, image_size), num_classes),
            )
        initialize(self, init, bias_init, input_std)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, image_size, image_size) to class scores (N, num_classes)."""
        return self.classifier(self.features(images))
