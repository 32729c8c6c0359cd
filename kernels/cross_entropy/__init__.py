"""Cross entropy between the softmax of a row of logits and a class label.

    forward     log_sum_exp[n] = log sum_c exp(input[n, c])
                loss[n] = log_sum_exp[n] - input[n, target[n]]
    backward    grad_input[n, c] = grad_loss[n] * (softmax[n, c] - [c = target[n]]),
                softmax[n, c] = exp(input[n, c] - log_sum_exp[n])

    input, grad_input               (N, C), logits
    target                          (N,) int64, every label in [0, C), or negative: loss and
                                    gradient of the row are 0
    loss, log_sum_exp, grad_loss    (N,)

The largest logit of the row is subtracted before exp(), so that no finite logit overflows.
``loss`` is per sample: the mean over the batch is the caller's.

Cost: 4 FLOPs a logit forward and 3 backward, one of them an exp(); both read ``input`` once from
memory.
"""

from minigrad.kernels.shared.arguments import check_arrays

_PER_ROW = {"target", "loss", "log_sum_exp", "grad_loss"}


def check_cross_entropy(kernel, arrays):
    """Raise unless the arrays, by name and the input first, are those of the contract.

    The labels are not looked at.
    """
    N, C = next(iter(arrays.values())).shape
    if N and not C:
        raise ValueError(f"{kernel}: input of shape {(N, C)} has no classes")
    shapes = [(N,) if name in _PER_ROW else (N, C) for name in arrays]
    check_arrays(kernel, arrays, shapes, {"target": "int64"})


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return (4 if function == "forward" else 3) * arguments["input"].size
