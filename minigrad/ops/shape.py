"""Operations that move elements and compute nothing."""

from minigrad import backend
from minigrad.autograd import Function


class Reshape(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, shape):
        ctx.shape = input.shape
        return ctx.backend.contiguous(input).reshape(shape)

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.backend.contiguous(grad_output).reshape(ctx.shape)


class Permute(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, dims):
        ctx.dims = dims
        return input.transpose(dims)

    @staticmethod
    def backward(ctx, grad_output):
        inverse = sorted(range(len(ctx.dims)), key=ctx.dims.__getitem__)
        return grad_output.transpose(inverse)


class GetItem(Function):
    @staticmethod
    def forward(ctx, input, *, index):
        ctx.shape, ctx.index = input.shape, index
        return ctx.backend.xp.asarray(input[index])

    @staticmethod
    def backward(ctx, grad_output):
        xp = ctx.backend.xp
        if any(isinstance(part, xp.ndarray) for part in ctx.index):
            # An integer array may name an element twice: its gradients add up.
            grad_input = xp.zeros(ctx.shape, grad_output.dtype)
            ctx.backend.add_at(grad_input, ctx.index, grad_output)
        else:
            grad_input = xp.zeros_like(grad_output, shape=ctx.shape)  # images stay channels-last
            grad_input[ctx.index] = grad_output
        return grad_input


class Concatenate(Function):
    @staticmethod
    def forward(ctx, *inputs, dim):
        ctx.dim = dim
        ctx.sizes = [input.shape[dim] for input in inputs]
        return ctx.backend.xp.concatenate(inputs, axis=dim)

    @staticmethod
    def backward(ctx, grad_output):
        gradients, start = [], 0
        for size in ctx.sizes:
            part = [slice(None)] * grad_output.ndim
            part[ctx.dim] = slice(start, start + size)
            gradients.append(grad_output[tuple(part)])
            start += size
        return tuple(gradients)


class Pad(Function):
    @staticmethod
    def forward(ctx, input, *, widths, value):
        ctx.inner = tuple(
            slice(before, before + size) for size, (before, _) in zip(input.shape, widths)
        )
        return ctx.backend.xp.pad(input, widths, constant_values=value)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output[ctx.inner]


class ToDevice(Function):
    @staticmethod
    def forward(ctx, input, *, device):
        ctx.target = backend.get(device)
        return ctx.target.asarray(ctx.backend.asnumpy(input))

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.backend.asarray(ctx.target.asnumpy(grad_output))
