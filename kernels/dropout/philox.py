"""Philox4x32-10 in Python's integers: see the contract."""


def random_number(n, key):
    """The n-th number of 32 bits of a key."""
    seed, call = key
    counter = (n // 4 % 2**32, n // 4 // 2**32, seed // 2**32, call // 2**32)
    return _philox(counter, (seed % 2**32, call % 2**32))[n % 4]


def _philox(counter, key):
    """Philox4x32-10: four random words of 32 bits."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3
