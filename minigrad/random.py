"""Keys of random numbers: those of dropout masks and of parameter initialization."""

import numbers


class RandomKeys:
    """Source of the keys of all random numbers: ``(seed, call)``, call counting from 0.

    Kernels and initializers draw counter-based random numbers from such a key, so a draw
    depends only on the seed and on the number of draws before it.
    """

    def __init__(self, seed: int = 0, call: int = 0):
        self.seed = seed
        self.call = call

    def next(self) -> tuple[int, int]:
        """The key of the next draw."""
        key = (self.seed, self.call)
        self.call += 1
        return key


random_keys = RandomKeys()


def manual_seed(seed: int) -> None:
    """Restart all random draws (dropout, initializers) from `seed`, 0 <= seed < 2**64."""
    if not isinstance(seed, numbers.Integral):
        raise TypeError(f"manual_seed: seed must be an integer, got {seed!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"manual_seed: seed must be in [0, 2**64), got {seed}")
    random_keys.seed, random_keys.call = int(seed), 0
