"""Operations that move elements and compute nothing."""

from minigrad.autograd import Function


class Reshape(Function):
    @staticmethod
    def forward(ctx, input, *, shape):
        ctx.shape = input.shape
        return ctx.contiguous(input).reshape(shape)

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.contiguous(grad_output).reshape(ctx.shape)


class Permute(Function):
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
        return ctx.xp.asarray(input[index])

    @staticmethod
    def backward(ctx, grad_output):
        grad_input = ctx.xp.zeros(ctx.shape, grad_output.dtype)
        if any(isinstance(part, (list, ctx.xp.ndarray)) for part in ctx.index):
            # An integer array may name an element twice: its gradients add up.
            positions = ctx.xp.arange(grad_input.size).reshape(ctx.shape)[ctx.index]
            gradients = ctx.contiguous(grad_output).reshape(-1)
            _add_at(ctx.xp, grad_input.reshape(-1), positions.reshape(-1), gradients)
        else:
            grad_input[ctx.index] = grad_output
        return grad_input


def _add_at(xp, total, positions, values):
    """total[positions[i]] += values[i] for all i, in the same order every time.

    On a GPU ``add.at`` adds in the order in which its threads come. Here equal positions become
    neighbors, in the order of i, and log2 of their number passes add up pairs of neighbors, pairs
    of pairs and so on, until the first of them has the sum.
    """
    order = xp.argsort(positions, kind="stable")
    positions, values = positions[order], values[order]
    rank = xp.arange(positions.size) - xp.searchsorted(positions, positions)
    last, distance = int(rank.max()) if rank.size else 0, 1
    while distance <= last:
        is_pair = (rank[:-distance] % (2 * distance) == 0) & (
            positions[:-distance] == positions[distance:]
        )
        values[:-distance] += xp.where(is_pair, values[distance:], values.dtype.type(0))
        distance *= 2
    total[positions[rank == 0]] += values[rank == 0]


class Concatenate(Function):
    @staticmethod
    def forward(ctx, *inputs, dim):
        ctx.dim = dim
        ctx.sizes = [input.shape[dim] for input in inputs]
        return ctx.xp.concatenate(inputs, axis=dim)

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
        return ctx.xp.pad(input, widths, constant_values=value)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output[ctx.inner]
