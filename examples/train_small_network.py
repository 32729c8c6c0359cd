"""A small network learns which quarter of a noisy image is bright."""

import numpy as np

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim

rng = np.random.default_rng(0)
mg.manual_seed(0)


def bright_quarters(count):
    """Noisy images (count, 1, 8, 8) with one bright quarter, and the number of that quarter."""
    labels = rng.integers(0, 4, count)
    images = rng.normal(0, 1, (count, 1, 8, 8)).astype(np.float32)
    for image, label in zip(images[:, 0], labels):
        top, left = label // 2 * 4, label % 2 * 4
        image[top : top + 4, left : left + 4] += 1
    return mg.Tensor(images), labels


model = nn.Sequential(
    nn.Conv2d(1, 8, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(kernel_size=2),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(8 * 4 * 4, 4),
)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

losses = []
for step in range(1, 51):
    images, labels = bright_quarters(64)
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 10 == 0:
        print(f"steps {step - 9} to {step}: mean loss {np.mean(losses[-10:]):.3f}")

model.eval()  # dropout off
images, labels = bright_quarters(1000)
with mg.no_grad():
    predicted = model(images).numpy().argmax(axis=1)
print(f"{(predicted == labels).mean():.1%} of 1000 new images are right")
