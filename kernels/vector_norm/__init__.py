"""The Euclidean norm of an array, as LARS and the clipping of gradients compare them.

    output[0] = sqrt(sum of input**2)

``input`` has any shape; ``output`` (1,) is float64 whatever its type. Sums run in float64: fc6 of
AlexNet has 37,748,736 terms, too many for float32. Their order follows from the number of elements
alone, so that equal arrays have equal norms on any number of threads, and in every process of a
training.

Cost: 2 FLOPs an element, which is read once.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_forward(input, output):
    """Raise unless the arrays are those of the contract."""
    arrays = {"input": input, "output": output}
    check_arrays("vector_norm.forward", arrays, [input.shape, (1,)], {"output": "float64"})


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return 2 * arguments["input"].size
