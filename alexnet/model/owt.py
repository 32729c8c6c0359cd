"""AlexNet's "one weird trick" successor, as in torchvision."""

from alexnet.model.base import ImageClassifier
from alexnet.model.initialization import initialize, layer_initialization
from alexnet.model.layer_values import LayerValues
from alexnet.model.shapes import require_size, scaled
from alexnet.model.variants import require_argument
from minigrad import Tensor, nn

KERNELS = {"conv1": 64, "conv2": 192, "conv3": 384, "conv4": 256, "conv5": 256}
HIDDEN_UNITS = 4096


class AlexNetOWT(ImageClassifier):
    """The one-column network of Krizhevsky (2014), "One weird trick", without normalization.

    Layers, their order and the parameter names are torchvision's `alexnet`; so is the dropout
    before, not after, the hidden layers. 61,100,840 parameters at 1000 classes.

    Args: as for `AlexNet`; image_size is at least 63 pixels.
    """

    default_image_size = 224
    minimum_image_size = 63
    variants = ("width",)
    hidden_layers = (*KERNELS, "fc6", "fc7")
    layer_names = (*hidden_layers, "fc8")
    code2012_deviations = dict.fromkeys(layer_names, 0.01) | dict.fromkeys(
        ("conv3", "conv4", "conv5"), 0.03
    )
    positive_biases = ("conv2", "conv4", "conv5", "fc6", "fc7")

    def __init__(
        self,
        num_classes: int = 1000,
        image_size: int = 224,
        dropout: float = 0.5,
        init: str = "default",
        *,
        bias_init: float | None = None,
        input_std: float = 1.0,
        width: LayerValues = 1.0,
    ):
        require_size(self, num_classes, image_size)
        require_argument("width", width, self.hidden_layers)
        c1, c2, c3, c4, c5 = (scaled(KERNELS[name], width, name) for name in KERNELS)
        fc6, fc7 = (scaled(HIDDEN_UNITS, width, name) for name in ("fc6", "fc7"))
        with layer_initialization(init):
            self.features = nn.Sequential(
                nn.Fused(nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Fused(nn.Conv2d(c1, c2, kernel_size=5, padding=2), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Fused(nn.Conv2d(c2, c3, kernel_size=3, padding=1), nn.ReLU()),
                nn.Fused(nn.Conv2d(c3, c4, kernel_size=3, padding=1), nn.ReLU()),
                nn.Fused(nn.Conv2d(c4, c5, kernel_size=3, padding=1), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.flatten = nn.Flatten()
            self.classifier = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(c5 * 6 * 6, fc6),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(fc6, fc7),
                nn.ReLU(inplace=True),
                nn.Linear(fc7, num_classes),
            )
        initialize(self, init, bias_init, input_std)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, image_size, image_size) to class scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.features(images))))
