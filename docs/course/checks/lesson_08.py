"""Exercise 8 against loops."""

from types import ModuleType

import numpy as np

from course.checks.compare import require_close

N, C, H, W = 6, 5, 2, 3


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless whole channels are dropped, at the places that they have."""
    rng = np.random.default_rng(8)
    words = rng.integers(0, 2**32, N * C, dtype=np.uint64)
    images, grad_output = rng.standard_normal((2, N, C, H, W))
    for p in (0.25, 0.5):
        for first, count in ((0, N), (2, 3)):
            part = slice(first, first + count)
            where = f"with p = {p}, first = {first}"
            arguments = p, lambda n: words[n], first
            got = solution.channel_dropout(images[part], *arguments)
            require_close(f"output {where}", got, _dropped(images, words, p)[part])
            got = solution.channel_dropout_gradient(grad_output[part], *arguments)
            require_close(f"gradient {where}", got, _dropped(grad_output, words, p)[part])


def _dropped(images: np.ndarray, words: np.ndarray, p: float) -> np.ndarray:
    """The whole batch, one channel after the other."""
    output = np.zeros(images.shape)
    for i, c in np.ndindex(N, C):
        if words[i * C + c] >= round(p * 2**32):
            output[i, c] = images[i, c] / (1 - p)
    return output
