"""Softmax and the losses built on it."""

from minigrad.autograd import Function


def _log_softmax(xp, input, dim):
    """For an input in C order, which is that of the sums."""
    shifted = input - input.max(axis=dim, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


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
        return weighted - output * weighted.sum(axis=ctx.dim, keepdims=True)


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
        return grad_output - ctx.backend.xp.exp(output) * grad_output.sum(
            axis=ctx.dim, keepdims=True
        )


class CrossEntropy(Function):
    """Mean over the batch of -log softmax(input)[target], in one kernel."""

    @staticmethod
    def forward(ctx, input, *, target):
        input = ctx.backend.contiguous(input)
        N = input.shape[0]
        loss, log_sum_exp = (ctx.backend.empty((N,), input.dtype) for _ in range(2))
        kernels = ctx.backend.kernels
        kernels.cross_entropy.forward(input, target, loss=loss, log_sum_exp=log_sum_exp)
        ctx.save_for_backward(input, target, log_sum_exp)
        return ctx.backend.xp.asarray(loss.mean())

    @staticmethod
    def backward(ctx, grad_output):
        input, target, log_sum_exp = ctx.saved
        N = input.shape[0]
        grad_loss = ctx.backend.xp.broadcast_to(grad_output / N, (N,)).astype(input.dtype)
        grad_input = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.cross_entropy.backward(
            grad_loss, input, target, log_sum_exp, grad_input=grad_input
        )
        return grad_input
