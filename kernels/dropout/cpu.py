"""Dropout in Numba: one piece of the array a task; all its random words, then its elements.

Two loops instead of one, since each of them vectorizes: over counters in the first, over elements
in the second.
"""

import numpy as np
from numba import prange

from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.threads import jit, parallel_jit

_PIECE_ELEMENTS = 1 << 12  # a multiple of 4; their random words stay in the L1 cache


def forward(input, p, key, first, *, output):
    check_same_shape("dropout.forward", input=input, output=output)
    seed, call = key
    scale = input.dtype.type(1 / (1 - p))
    threshold = np.uint64(round(p * 2**32))
    draw = np.uint64(seed), np.uint64(call), np.int64(first)
    _mask(flat(input), threshold, scale, *draw, flat(output))


def backward(grad_output, p, key, first, *, grad_input):
    forward(grad_output, p, key, first, output=grad_input)


@parallel_jit
def _mask(input, threshold, scale, seed, call, first, output):
    zero = input.dtype.type(0)
    skipped = first % 4  # words of the first counter, which belong to elements before these
    for piece in prange(-(-(skipped + input.size) // _PIECE_ELEMENTS)):
        start = piece * _PIECE_ELEMENTS - skipped  # the element of the piece's first word
        begin, end = max(start, 0), start + _PIECE_ELEMENTS
        x, y = input[begin:end], output[begin:end]
        random = np.empty(_PIECE_ELEMENTS, np.uint32)
        _fill(random, (first + start) // 4, seed, call)
        words = random[begin - start :]
        for i in range(x.size):
            y[i] = x[i] * scale if words[i] >= threshold else zero


@jit
def _fill(random, first_counter, seed, call):
    for i in range(random.size // 4):
        counter = np.uint64(first_counter + i)
        random[4 * i], random[4 * i + 1], random[4 * i + 2], random[4 * i + 3] = _philox(
            _low(counter), _high(counter), _high(seed), _high(call), _low(seed), _low(call)
        )


@jit
def _philox(c0, c1, c2, c3, k0, k1):
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * np.uint64(c0)
        product1 = np.uint64(0xCD9E8D57) * np.uint64(c2)
        c0, c1 = np.uint32(_high(product1) ^ c1 ^ k0), _low(product1)
        c2, c3 = np.uint32(_high(product0) ^ c3 ^ k1), _low(product0)
        k0 = np.uint32(k0 + np.uint32(0x9E3779B9))
        k1 = np.uint32(k1 + np.uint32(0xBB67AE85))
    return c0, c1, c2, c3


@jit
def _low(word):
    return np.uint32(word & np.uint64(0xFFFFFFFF))


@jit
def _high(word):
    return np.uint32(word >> np.uint64(32))
