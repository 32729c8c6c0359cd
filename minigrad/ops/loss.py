"""Softmax and the losses built on it."""

from minigrad.autograd import Function


def _log_softmax(xp, input, dim):
    shifted = input - input.max(axis=dim, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=dim, keepdims=True))


class Softmax(Function):
    @staticmethod
    def forward(ctx, input, *, dim):
        output = ctx.xp.exp(_log_softmax(ctx.xp, input, dim))
        ctx.dim = dim
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        weighted = grad_output * output
        return weighted - output * weighted.sum(axis=ctx.dim, keepdims=True)


class LogSoftmax(Function):
    @staticmethod
    def forward(ctx, input, *, dim):
        output = _log_softmax(ctx.xp, input, dim)
        ctx.dim = dim
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        return grad_output - ctx.xp.exp(output) * grad_output.sum(axis=ctx.dim, keepdims=True)


class CrossEntropy(Function):
    """Mean over the batch of -log softmax(input)[target], in one kernel."""

    @staticmethod
    def forward(ctx, input, *, target):
        input = ctx.xp.ascontiguousarray(input)
        N = input.shape[0]
        loss, log_sum_exp = ctx.empty((N,), input.dtype), ctx.empty((N,), input.dtype)
        ctx.kernels.cross_entropy.forward(input, target, loss=loss, log_sum_exp=log_sum_exp)
        ctx.save_for_backward(input, target, log_sum_exp)
        return ctx.xp.asarray(loss.mean())

    @staticmethod
    def backward(ctx, grad_output):
        input, target, log_sum_exp = ctx.saved
        N = input.shape[0]
        grad_loss = ctx.xp.broadcast_to(grad_output / N, (N,)).astype(input.dtype)
        grad_input = ctx.empty(input.shape, input.dtype)
        ctx.kernels.cross_entropy.backward(
            grad_loss, input, target, log_sum_exp, grad_input=grad_input
        )
        return grad_input
