# A gradient of a small convolutional network, beside a finite difference.
import numpy as np

import minigrad as mg
from minigrad import functional as F

rng = np.random.default_rng(0)
image = mg.Tensor(rng.standard_normal((1, 3, 8, 8)))
weight = mg.Tensor(rng.standard_normal((4, 3, 3, 3)), requires_grad=True)


def loss(weight):
    features = F.max_pool2d(F.relu(F.conv2d(image, weight)), 2)
    return F.cross_entropy(F.flatten(features, 1), np.array([7]))


loss(weight).backward()
print(f"gradient           {weight.grad.numpy()[2, 1, 0, 2]:.9f}")

step = np.zeros(weight.shape)
step[2, 1, 0, 2] = 1e-6
slope = (loss(mg.Tensor(weight.data + step)) - loss(mg.Tensor(weight.data - step))) / 2e-6
print(f"finite difference  {slope.item():.9f}")
print(f"all 108 entries    {mg.gradcheck(loss, [weight])}")
