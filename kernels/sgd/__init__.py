"""Stochastic gradient descent with momentum, in place on ``parameter`` and ``velocity``.

    form "torch"    velocity = momentum * velocity + (gradient + weight_decay * parameter)
                    parameter = parameter - lr * velocity
    form "paper"    velocity = momentum * velocity - weight_decay * lr * parameter - lr * gradient
                    parameter = parameter + velocity

"torch" is ``torch.optim.SGD``, "paper" section 5 of the AlexNet paper. With a constant lr both take
the same steps; when lr changes, the velocity of "paper" still carries steps of the old lr. All
arrays have one shape, any shape; ``velocity`` starts as zeros and is written even where momentum is
0.

With ``nesterov`` (Sutskever et al. 2013) the parameter moves by momentum * velocity and what this
step added to the velocity, in place of the velocity: one step further ahead.

Cost: 6 FLOPs an element, 8 with Nesterov's momentum; 3 arrays read and 2 written, once.
"""


def factors(lr: float, weight_decay: float, form: str) -> tuple[float, float, float]:
    """(a, b, s) of the one update that both forms are.

    u = a g + b w;  v = momentum v + u;  w = w + s v, or with nesterov w + s (momentum v + u)
    """
    if form == "torch":
        return 1.0, weight_decay, -lr
    if form == "paper":
        return -lr, -weight_decay * lr, 1.0
    raise ValueError(f"sgd: form must be 'torch' or 'paper', got {form!r}")


# What `update` reads and writes; the other array is read.
UPDATED = "parameter", "velocity"


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return (8 if arguments["nesterov"] else 6) * arguments["parameter"].size
