"""``mpiexec -n 2 python -m tests.alexnet.column_process FILE``: what two columns compute.

The tests compare it with what the grouped network computes by the same functions.
"""

import sys

import numpy as np

import minigrad as mg
from alexnet import precision
from alexnet.columns import Column, whole_state
from alexnet.model import AlexNet
from minigrad import Tensor, distributed, no_grad, optim
from minigrad import functional as F
from minigrad.kernels.shared import bfloat16
from minigrad.random import random_keys
from tests.alexnet.variants import VARIANTS

CLASSES = 5  # an odd number, which the columns cannot divide evenly
STEPS = 3
VARIANTS_OF_TWO_COLUMNS = (
    *("norm columns", "norm within, pooled first", "norm constant", "norm none", "tanh"),
    *("without conv3", "without both"),
)
# The float types, and another order of layers with windows of 4 and of 1 channels.
NETWORKS = {
    "float32": (np.float32, {}),
    "bf16": (np.float32, {}),
    "float64": (np.float64, {}),
    "float64, pooled first": (np.float64, {"norm": {"size": 4}, "pool_before_norm": True}),
    "float64, channels apart": (np.float64, {"norm": {"size": 1, "alpha": 0.5}}),
    **{
        f"float64, {name}": (np.float64, VARIANTS[name].network) for name in VARIANTS_OF_TWO_COLUMNS
    },
    "float32, norm columns": (np.float32, VARIANTS["norm columns"].network),
}


def network(dtype, variant=None):
    mg.manual_seed(0)
    # An odd number of channels in a column: 5 of conv1, 13 of conv2.
    return AlexNet(CLASSES, image_size=67, **{"width": 0.1, **(variant or {})}).to(dtype)


def computed(model, dtype, kind):
    """Scores, gradients, and what some steps make of parameters and velocities; by name."""
    with precision.products_in(kind):
        return _computed(model, dtype)


def _computed(model, dtype):
    rng = np.random.default_rng(0)
    images = Tensor(rng.standard_normal((6, 67, 67, 3)).astype(dtype).transpose(0, 3, 1, 2))
    labels = rng.integers(0, CLASSES, 6)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    mg.manual_seed(1)
    results = {}
    for step in range(STEPS):
        optimizer.zero_grad()
        scores = model(images)
        F.cross_entropy(scores, labels).backward()
        results[f"scores {step}"] = scores.numpy().copy()
        if step == 0:
            gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        optimizer.step()
    results["draws"] = np.array(random_keys.call)
    state = whole_state(model, model.state_dict())
    for kind, arrays in (
        ("gradient", whole_state(model, gradients)),
        ("parameter", state),
        ("velocity", whole_state(model, optimizer.state_dict())),
    ):
        results |= {f"{kind} {name}": array for name, array in arrays.items()}
    with no_grad():
        results["evaluated"] = model.eval()(images).numpy()
    return results


def main():
    bfloat16.SUPPORTED = True  # as in tests/conftest.py
    team = distributed.world()
    results = {
        f"{kind} {name}": array
        for kind, (dtype, variant) in NETWORKS.items()
        for name, array in computed(Column(network(dtype, variant), team), dtype, kind).items()
    }
    if team.leads:
        np.savez(sys.argv[1], **results)


if __name__ == "__main__":
    main()
