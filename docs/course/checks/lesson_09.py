"""Exercise 9 against the steps themselves."""

from types import ModuleType

from course.checks.compare import WrongAnswer, require_shape

STEPS = 5000


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless steps converge just below the rate, and diverge just above it."""
    for curvature, momentum in ((10.0, 0.0), (10.0, 0.5), (2.0, 0.9)):
        lr = solution.largest_rate(curvature, momentum)
        require_shape("largest_rate", lr, ())
        case = f"largest_rate(curvature={curvature:g}, momentum={momentum:g})"
        if not _converges(0.98 * lr, curvature, momentum):
            raise WrongAnswer(f"{case}: got {lr:.4g}, expected less: 2% below it steps diverge")
        if _converges(1.02 * lr, curvature, momentum):
            raise WrongAnswer(f"{case}: got {lr:.4g}, expected more: 2% above it steps converge")


def _converges(lr: float, curvature: float, momentum: float) -> bool:
    """Whether w, which begins with 1, becomes small."""
    w, v = 1.0, 0.0
    for _ in range(STEPS):
        v = momentum * v - lr * curvature * w
        w = w + v
        if abs(w) > 1e6:
            return False
    return abs(w) < 1e-3
