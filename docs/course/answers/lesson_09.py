"""Answer to exercise 9: the largest learning rate with momentum."""


def largest_rate(curvature: float, momentum: float) -> float:
    """The rate below which the steps converge, for 0 <= momentum < 1."""
    # The next velocity is momentum * 2 w - lr * curvature * w, and has to be -2 w.
    return 2 * (1 + momentum) / curvature
