"""Windows whose elements are some pixels apart, by windows whose elements are neighbors.

A window with dilation D sees every D-th row of the image, and so do the windows that begin D rows
further. The rows that leave the same remainder when divided by D are a smaller image, in which
these windows have no gaps; the columns likewise. So the smaller images go through the operation as
a batch, and their outputs are put together again ("space to batch").
"""

from minigrad.ops.shape import GetItem, Pad, Permute, Reshape


def by_remainders(function, input, *, kernel_size, stride, padding, dilation, output_shape, value):
    """What a windowed operation gives with a dilation.

    Every position is computed; a stride then drops some of them.

    Args:
        function: the operation without dilation, with stride 1 and without padding, of images.
        input: (N, C, H, W).
        kernel_size, stride, padding, dilation: pairs.
        output_shape: (N, C, OH, OW); the last windows may reach beyond the padding.
        value: what lies outside the image.
    """
    # A window of one row has no gaps; a large dilation would only make a large image.
    dilation = tuple(gap if size > 1 else 1 for gap, size in zip(dilation, kernel_size))
    counts = output_shape[2:]
    edges = (
        _edges(*sides)
        for sides in zip(input.shape[2:], kernel_size, stride, padding, dilation, counts)
    )
    input = Pad.apply(input, widths=((0, 0), (0, 0), *edges), value=value)
    N, C, H, W = input.shape
    DH, DW = dilation
    images = Reshape.apply(input, shape=(N, C, H // DH, DH, W // DW, DW))
    images = Permute.apply(images, dims=(3, 5, 0, 1, 2, 4))
    output = function(Reshape.apply(images, shape=(DH * DW * N, C, H // DH, W // DW)))
    _, C, H, W = output.shape
    output = Reshape.apply(output, shape=(DH, DW, N, C, H, W))
    output = Permute.apply(output, dims=(2, 3, 4, 0, 5, 1))
    output = Reshape.apply(output, shape=(N, C, H * DH, W * DW))
    kept = (slice(0, (size - 1) * step + 1, step) for size, step in zip(counts, stride))
    return GetItem.apply(output, index=(slice(None), slice(None), *kept))


def _edges(size, kernel_size, stride, padding, dilation, count):
    """(before, after): rows of padding with which the image has the same number for each remainder.

    Padded, the image holds all `count` windows.
    """
    covered = (count - 1) * stride + (kernel_size - 1) * dilation + 1
    padded = -(-max(padding + size, covered) // dilation) * dilation
    return padding, padded - size - padding
