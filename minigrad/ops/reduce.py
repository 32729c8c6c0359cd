"""Sums, means and maxima over dimensions."""

import math

import numpy as np

from minigrad.autograd import Function


def total(array, axis, keepdims):
    """The sum over dimensions, added up in float64.

    NumPy adds the rows of a float32 matrix one by one: 1 + 1 + ... stops at 16,777,216.
    """
    return array.sum(axis=axis, dtype=np.float64, keepdims=keepdims).astype(array.dtype)


def _restore_dims(array, shape, axis, keepdim):
    """Put the reduced dimensions back with size 1, so that `array` broadcasts against `shape`."""
    if keepdim:
        return array
    return array.reshape([1 if i in axis else size for i, size in enumerate(shape)])


class Sum(Function):
    @staticmethod
    def forward(ctx, input, *, axis, keepdim):
        ctx.shape, ctx.axis, ctx.keepdim = input.shape, axis, keepdim
        input = ctx.backend.contiguous(input)  # the order of the sum is that of the memory
        return ctx.backend.xp.asarray(total(input, axis, keepdim))

    @staticmethod
    def backward(ctx, grad_output):
        gradient = _restore_dims(grad_output, ctx.shape, ctx.axis, ctx.keepdim)
        return ctx.backend.xp.broadcast_to(gradient, ctx.shape)


class Mean(Function):
    @staticmethod
    def forward(ctx, input, *, axis, keepdim):
        ctx.shape, ctx.axis, ctx.keepdim = input.shape, axis, keepdim
        ctx.count = math.prod(input.shape[dim] for dim in axis)
        input = ctx.backend.contiguous(input)  # the order of the sum is that of the memory
        sums = input.sum(axis=axis, dtype=np.float64, keepdims=keepdim)  # as in `total`
        # The mean of no elements is 0 / 0 = NaN; `input.mean` would warn.
        return ctx.backend.xp.asarray((sums / ctx.count).astype(input.dtype))

    @staticmethod
    def backward(ctx, grad_output):
        gradient = _restore_dims(grad_output / ctx.count, ctx.shape, ctx.axis, ctx.keepdim)
        return ctx.backend.xp.broadcast_to(gradient, ctx.shape)


class Max(Function):
    @staticmethod
    def forward(ctx, input, *, axis, keepdim):
        output = ctx.backend.xp.asarray(input.max(axis=axis, keepdims=keepdim))
        ctx.axis, ctx.keepdim = axis, keepdim
        ctx.save_for_backward(input, output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, output = ctx.saved
        maximum = _restore_dims(output, input.shape, ctx.axis, ctx.keepdim)
        gradient = _restore_dims(grad_output, input.shape, ctx.axis, ctx.keepdim)
        is_maximum = (input == maximum).astype(input.dtype)
        # Ties share the gradient evenly, as in torch.amax.
        return is_maximum * (gradient / total(is_maximum, ctx.axis, keepdims=True))
