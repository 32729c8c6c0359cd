"""The shortest way through everything: a small network learns."""

import numpy as np

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim


def test_a_small_network_learns_where_the_bright_quarter_is(rng):
    labels = rng.integers(0, 4, 64)
    images = rng.normal(0, 0.3, (64, 1, 8, 8)).astype(np.float32)
    for image, label in zip(images[:, 0], labels):
        image[label // 2 * 4 :, label % 2 * 4 :][:4, :4] += 1
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(5, alpha=5e-4, k=2.0),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(8 * 3 * 3, 4),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(mg.Tensor(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with mg.no_grad():
        predicted = model(mg.Tensor(images)).numpy().argmax(axis=1)
    assert losses[0] > 1.2 > 0.2 > losses[-1]
    assert (predicted == labels).mean() > 0.95
