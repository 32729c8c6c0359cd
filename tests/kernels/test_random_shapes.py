"""A sample of `tests.stress.random_shapes`, whose command runs thousands."""

import numpy as np
import pytest

from tests.kernels.on_device import Kernels
from tests.stress.random_shapes import draw


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("seed", range(100))
def test_random_shape(seed, backend):
    text, check = draw(np.random.default_rng(seed), Kernels(backend))
    print(text)
    check()
