"""Linear interpolation in place, with which an average of parameters follows them.

    start = start + weight * (end - start)

as ``torch.lerp`` with a weight below 1/2. ``start`` and ``end`` have one shape, any shape.

Cost: 3 FLOPs an element; 2 arrays read and 1 written, once.
"""

# What `update` reads and writes; the other array is read.
UPDATED = ("start",)


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return 3 * arguments["start"].size
