"""torchvision.models.alexnet from its published layout, so that no test needs torchvision."""

CHANNELS, HIDDEN = (64, 192, 384, 256, 256), 4096
# Those of `tests.alexnet.narrow.NarrowOWT`.
NARROW = {"channels": (8, 20, 38, 26, 26), "hidden": 410}


def torchvision_alexnet(torch, num_classes=1000, channels=CHANNELS, hidden=HIDDEN):
    """The network with random parameters, in evaluation mode.

    Args:
        torch: the module PyTorch.
    """
    nn = torch.nn
    c1, c2, c3, c4, c5 = channels

    class AlexNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(c1, c2, kernel_size=5, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(c2, c3, kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(c3, c4, kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(c4, c5, kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.classifier = nn.Sequential(
                nn.Dropout(p=0.5),
                nn.Linear(c5 * 6 * 6, hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(p=0.5),
                nn.Linear(hidden, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, num_classes),
            )

        def forward(self, images):
            return self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))

    return AlexNet().eval()
