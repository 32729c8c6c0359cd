"""Keys of random numbers: those of dropout masks and of parameter initialization."""

import contextlib
import numbers
from collections.abc import Iterator


class RandomKeys:
    """Source of the keys of all random numbers: ``(seed, call)``, call counting from 0.

    Kernels and initializers draw counter-based random numbers from such a key, so a draw
    depends only on the seed and on the number of draws before it.

    Attributes:
        seed: of all draws.
        call: number of draws since the seed was set.
        first_row: rows of the batch before those that are being processed. The mask of dropout
            follows from an element's place in the whole batch.
    """

    def __init__(self, seed: int = 0, call: int = 0):
        self.seed = seed
        self.call = call
        self.first_row = 0

    def next(self) -> tuple[int, int]:
        """The key of the next draw."""
        key = (self.seed, self.call)
        self.call += 1
        return key

    @contextlib.contextmanager
    def part_of_batch(self, call: int, first_row: int) -> Iterator[None]:
        """Process some rows of a batch with the masks that they have in the whole batch.

        Within it, dropout takes dimension 0 of its input for the rows. At its end `first_row` is 0
        again, and `call` stays where the draws have ended: every part of a batch begins with the
        same call, and leaves the call that the whole batch would leave.

        Args:
            call: of the first draw, 0 <= call < 2**64.
            first_row: rows of the batch before this part, 0 <= first_row < 2**32.

        Raises:
            TypeError: an argument is no integer.
            ValueError: an argument is negative or too large.
        """
        _check_integer("part_of_batch", "call", call, 2**64)
        _check_integer("part_of_batch", "first_row", first_row, 2**32)
        self.call, self.first_row = int(call), int(first_row)
        try:
            yield
        finally:
            self.first_row = 0


random_keys = RandomKeys()


def manual_seed(seed: int) -> None:
    """Restart all random draws (dropout, initializers) from `seed`, 0 <= seed < 2**64."""
    _check_integer("manual_seed", "seed", seed, 2**64)
    random_keys.seed, random_keys.call = int(seed), 0


def _check_integer(function: str, name: str, value: int, end: int) -> None:
    if not isinstance(value, numbers.Integral):
        raise TypeError(f"{function}: {name} must be an integer, got {value!r}")
    if not 0 <= value < end:
        power = end.bit_length() - 1
        raise ValueError(f"{function}: {name} must be in [0, 2**{power}), got {value}")
