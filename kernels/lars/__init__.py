"""The norms that LARS compares (You, Gitman, Ginsburg 2017): how large a layer and its step are.

    output[0] = sqrt(sum of parameter**2)
    output[1] = sqrt(sum of gradient**2)

``parameter`` and ``gradient`` have one shape, any shape; ``output`` (2,) is float64 whatever their
type. Sums run in float64: fc6 of AlexNet has 37,748,736 terms, too many for float32. Their order
follows from the number of elements alone, so that equal arrays have equal norms on any number of
threads, and in every process of a training.

The update itself is that of ``sgd`` in the paper's form, with the rate that the norms give.

Cost: 2 FLOPs an element; both arrays are read once.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_norms(parameter, gradient, output):
    """Raise unless the arrays are those of the contract."""
    arrays = {"parameter": parameter, "gradient": gradient, "output": output}
    shapes = [parameter.shape, parameter.shape, (2,)]
    check_arrays("lars.norms", arrays, shapes, {"output": "float64"})
