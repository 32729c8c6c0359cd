"""Exercise 9: the largest learning rate with momentum.

In a direction of curvature c, where the gradient is c * w, the update without weight decay is

    v <- momentum * v - lr * c * w
    w <- w + v

Just at the limit w neither grows nor shrinks: it changes its sign at each step, w <- -w. So v,
which is the difference of two such w, is -2 w, and changes its sign as well. Write what the update
makes of w and v = 2 w (v is the last step, from -w to w), and solve for lr.
"""


def largest_rate(curvature: float, momentum: float) -> float:
    """The rate below which the steps converge, for 0 <= momentum < 1."""
    raise NotImplementedError
