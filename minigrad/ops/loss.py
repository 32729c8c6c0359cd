"""Softmax and the losses built on it."""

from minigrad.autograd import Function
from minigrad.backend import backend_of
from minigrad.ops.elementwise import Multiply, Negative
from minigrad.ops.reduce import Sum, total
from minigrad.ops.shape import Permute, Reshape
from minigrad.tensor import Tensor


def _log_softmax(xp, input, dim):
    """For an input in C order, which is that of the sums."""
    if input.size == 0:
        return input.copy()
    shifted = input - input.max(axis=dim, keepdims=True)
    return shifted - xp.log(total(xp.exp(shifted), dim, keepdims=True))


class Softmax(Function):
    @staticmethod
    def forward(ctx, input, *, dim):
        output = ctx.backend.xp.exp(
            _log_softmax(ctx.backend.xp, ctx.backend.contiguous(input), dim)
        )
        ctx.dim = dim
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        grad_output = ctx.backend.contiguous(grad_output)
        weighted = grad_output * output
        return weighted - output * total(weighted, ctx.dim, keepdims=True)


class LogSoftmax(Function):
    @staticmethod
    def forward(ctx, input, *, dim):
        output = _log_softmax(ctx.backend.xp, ctx.backend.contiguous(input), dim)
        ctx.dim = dim
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        grad_output = ctx.backend.contiguous(grad_output)
        return grad_output - ctx.backend.xp.exp(output) * total(grad_output, ctx.dim, keepdims=True)


class CrossEntropy(Function):
    """-log softmax(input)[target] of each row, in one kernel; 0 where the target is negative."""

    @staticmethod
    def forward(ctx, input, *, target):
        input = ctx.backend.contiguous(input)
        loss, log_sum_exp = (ctx.backend.empty(target.shape, input.dtype) for _ in range(2))
        kernels = ctx.backend.kernels
        kernels.cross_entropy.forward(input, target, loss=loss, log_sum_exp=log_sum_exp)
        ctx.save_for_backward(input, target, log_sum_exp)
        return loss

    @staticmethod
    def backward(ctx, grad_output):
        input, target, log_sum_exp = ctx.saved
        grad_loss = ctx.backend.contiguous(grad_output)
        grad_input = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.cross_entropy.backward(
            grad_loss, input, target, log_sum_exp, grad_input=grad_input
        )
        return grad_input


class Mask(Function):
    """0 where `kept` is False, whatever is there (also inf and nan), and so in the gradient."""

    @staticmethod
    def forward(ctx, input, *, kept):
        ctx.kept = kept
        return ctx.backend.xp.where(kept, input, input.dtype.type(0))

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.backend.xp.where(ctx.kept, grad_output, grad_output.dtype.type(0))


def class_rows(scores):
    """(C,), (N, C) or (N, C, d1, ...) as rows (N * d1 * ..., C)."""
    if scores.ndim == 2:
        return scores
    if scores.ndim > 2:
        scores = Permute.apply(scores, dims=(0, *range(2, scores.ndim), 1))
    C = scores.shape[-1]
    return Reshape.apply(scores, shape=(scores.numel() // C, C))


def expectation(rows, probabilities, weight):
    """(N,): - sum over the classes of probability * weight * log softmax(rows)."""
    terms = Multiply.apply(LogSoftmax.apply(rows, dim=1), probabilities)
    if weight is not None:
        terms = Multiply.apply(terms, weight)
    return Negative.apply(Sum.apply(terms, axis=(1,), keepdim=False))


def total_weight(factors):
    """The sum, by which a weighted mean is divided, or nan for 0: the mean of nothing."""
    array = factors.data
    weight = total(array, axis=None, keepdims=False)
    return Tensor(backend_of(array).xp.where(weight == 0, array.dtype.type("nan"), weight))


def uniform(rows):
    """(1, C): the distribution that gives all classes the same probability."""
    C = rows.shape[1]
    return Tensor(backend_of(rows.data).xp.full((1, C), 1 / C, rows.dtype))
