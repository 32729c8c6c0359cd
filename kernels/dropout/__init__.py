"""Dropout (Srivastava et al. 2014; section 4.2 of the AlexNet paper), in the inverted form.

    forward     output[i] = input[i] / (1 - p) where kept(i), else 0
    backward    grad_input[i] = grad_output[i] / (1 - p) where kept(i), else 0

``i`` is the flat index of an element; all arrays have one shape, any shape, and are C-contiguous;
0 <= p < 1.

    kept(i)     random(first + i) >= round(p * 2^32)
    random(n)   word n % 4 of Philox4x32-10(counter, key), an unsigned 32-bit integer
    counter     (low and high word of n // 4, high word of seed, high word of call)
    key         (low word of seed, low word of call)

The argument ``key`` is the pair (seed, call) of integers in [0, 2^64). ``first`` >= 0 is the flat
index that element 0 has in the array of the whole batch, where the arrays hold some rows of it;
first + i stays below 2^63. The mask is a function of these alone: it is never stored, backward
draws it again, and it is the same on every backend, for any number of threads, and for any
division of a batch into parts. Philox is the counter-based generator of Salmon, Moraes, Dror and
Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).

Cost: 10 rounds of 2 wide multiplications of integers for 4 elements, and 1 FLOP an element; 2
arrays moved.
"""


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return arguments["output" if function == "forward" else "grad_input"].size
