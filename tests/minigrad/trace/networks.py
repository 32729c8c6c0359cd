"""Networks and steps for the tests of traces."""

import numpy as np

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim


class Block(nn.Module):
    """A convolution with its ReLU, and operations without kernels."""

    def __init__(self):
        self.pair = nn.Fused(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)

    def forward(self, input):
        return F.tanh(self.pool(self.pair(input))) + 1


def network():
    return nn.Sequential(Block(), nn.Flatten(), nn.Linear(4 * 3 * 3, 5))


class Step:
    """A training step of a network on its device: gradients of all parameters, and the update."""

    def __init__(self, model=None, shape=(3, 2, 6, 6), labels=(0, 4, 2)):
        self.model = network() if model is None else model
        device = next(self.model.parameters()).device
        images = np.random.default_rng(1).standard_normal(shape, np.float32)
        self.images = mg.Tensor(images).to(device)
        self.labels = np.array(labels)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)

    def __call__(self):
        loss = F.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def arrays(self):
        """Loss, gradients and parameters after a step."""
        loss = self()
        parameters = list(self.model.parameters())
        return [
            loss.numpy(),
            *(p.grad.numpy() for p in parameters),
            *(p.numpy() for p in parameters),
        ]
