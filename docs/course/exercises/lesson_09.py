"""Exercise 9: the largest learning rate with momentum.

In a direction of curvature c, where the gradient is c * w, the update without weight decay is

    v <- momentum * v - lr * c * w
    w <- w + v

Just at the limit w neither grows nor shrinks: it changes its sign at each step. Let the last step
have been v = 2 * w, from -w to w. The next one has to lead back to -w. Write what the update makes
of v, and solve for lr.
"""


def largest_rate(curvature: float, momentum: float) -> float:
    """The rate below which the steps converge, for 0 <= momentum < 1."""
    raise NotImplementedError
