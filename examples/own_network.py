"""Train a network of your own on images of any source that alexnet.data reads.

    python examples/own_network.py                      # the demo set, which is drawn
    python examples/own_network.py --data-root photos   # photos/CLASS/*, or CIFAR, ImageNet, ...

The network is a small residual one (He et al. 2015, arXiv:1512.03385), which nn.Sequential alone
cannot express.
"""

import argparse
import sys

import minigrad as mg
from alexnet import cli
from alexnet.data import Subset, load
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from minigrad import backend, nn, optim
from minigrad import functional as F


class Block(nn.Module):
    """relu(x + two convolutions of x)."""

    def __init__(self, channels):
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class SmallResNet(nn.Module):
    """Images (N, 3, S, S) to class scores (N, classes)."""

    def __init__(self, classes, channels=32):
        self.stem = nn.Conv2d(3, channels, kernel_size=5, stride=2, padding=2)
        self.blocks = nn.Sequential(
            nn.MaxPool2d(2), Block(channels), nn.MaxPool2d(2), Block(channels)
        )
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images):
        features = self.blocks(F.relu(self.stem(images)))
        return self.classifier(F.mean(features, dim=(2, 3)))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", help="folder of the images; the demo set if left out")
    parser.add_argument("--subset", type=cli.count, default=2000, help="images of an epoch")
    parser.add_argument("--epochs", type=cli.count, default=5)
    arguments = parser.parse_args(argv)

    splits = load("auto" if arguments.data_root else "demo", arguments.data_root)
    train, validation = splits["train"], splits["validation"]
    train = Subset(train, min(arguments.subset, len(train)))
    validation = Subset(validation, min(500, len(validation)))
    preprocessing = Preprocessing(image_size=48, mean=(128, 128, 128), scale=1 / 64)
    batches = Loader(train, preprocessing, 32, augmentation=Augmentation(), shuffle=True)
    held_out = Loader(validation, preprocessing, 100)

    mg.manual_seed(0)
    cpu = backend.get("cpu")
    model = SmallResNet(len(train.classes))
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    for epoch in range(arguments.epochs):
        model.train()
        for batch in batches.batches(epoch):
            loss = F.cross_entropy(model(mg.Tensor(batch.prepare(cpu))), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        right = 0
        with mg.no_grad():
            for batch in held_out.batches(0):
                scores = model(mg.Tensor(batch.prepare(cpu))).numpy()
                right += int((scores.argmax(axis=1) == batch.labels).sum())
        print(
            f"epoch {epoch + 1}: loss {loss.item():.3f}, "
            f"{right / len(validation):.1%} of {len(validation)} validation images are right"
        )
    return 0


if __name__ == "__main__":
    sys.exit(cli.exit_code(main))
