"""Narrow networks of every kind, with every kind of layer that can be explained."""

import numpy as np

from alexnet.model import AlexNet, AlexNetOWT, CifarNet

ALIVE = {"alpha": 2.0}  # with inputs of deviation 1
# By name: how to make it, and the size of its images.
NETWORKS = {
    "alexnet": (lambda: AlexNet(5, 67, width=0.1, norm=ALIVE), 67),
    "columns": (lambda: AlexNet(5, 67, width=0.1, norm={"kind": "columns", **ALIVE}), 67),
    "pooled first": (
        lambda: AlexNet(5, 67, width=0.1, pool_before_norm=True, activation="tanh", norm=ALIVE),
        67,
    ),
    "owt": (lambda: AlexNetOWT(5, 63, width=0.1), 63),
    "cifar": (lambda: CifarNet(5, 20, norm=ALIVE, dropout=0.5), 20),
    "constant": (
        lambda: CifarNet(5, 19, norm={"kind": "constant", "gain": 0.4}, activation="tanh"),
        19,
    ),
    "across": (lambda: CifarNet(5, 16, norm={"kind": "across", **ALIVE}, pooling="plain"), 16),
}


def network_and_image(name, rng, dtype=np.float32):
    """A network in evaluation mode, and noise (1, 3, S, S) for it."""
    build, size = NETWORKS[name]
    return build().to(dtype).eval(), rng.standard_normal((1, 3, size, size)).astype(dtype)


def random_place(layer, rng):
    """A place in the output of a layer."""
    return tuple(int(rng.integers(size)) for size in layer.output.shape)
