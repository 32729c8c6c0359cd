"""How an output of a layer is made of the layer's input."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from alexnet.explain import kernel_values
from alexnet.explain.explanation import (
    Account,
    Index,
    Line,
    Map,
    Term,
    Terms,
    coordinate_names,
    coordinates,
    largest,
    place,
)
from alexnet.explain.passes import IMAGE, Layer
from alexnet.explain.windows import Window, channel_window, input_channels
from alexnet.model.layers import ColumnNorm, ConstantNorm, WithinChannelNorm
from minigrad import Tensor, nn
from minigrad.kernels.dropout.philox import random_number
from minigrad.ops.pool import averaging_matrix


def account(layer: Layer, index: Index) -> Account:
    """How the output of a layer at a place comes about, with the activation that follows."""
    return _KINDS[type(layer.module)](layer, index)


# -- weighted sums ---------------------------------------------------------------------------------


def _convolution(layer: Layer, index: Index) -> Account:
    conv = layer.module
    assert isinstance(conv, nn.Conv2d)
    channel, row, column = index
    window = Window.of(conv, row, column)
    channels = input_channels(conv, channel)
    values = window.cut(layer.input[channels.start : channels.stop])
    weights = conv.weight.numpy()[channel]
    products = values.astype(np.float64) * weights
    terms = [
        Term(
            _input_place(layer, window, channels, at),
            *(float(array[at]) for array in (values, weights, products)),
        )
        for at in np.ndindex(products.shape)
        if window.is_inside(layer.input.shape, at)
    ]
    outside = products.size - len(terms)
    padding = f" {outside:,} products with the padding are 0." if outside else ""
    count = f"{len(terms):,} products"
    lines, exact = _summed(layer, f"the sum of {count}", products, conv.bias, channel, index)
    return Account(
        layer.output[index],
        f"the bias and the sum of {count}, each of a value of {_the(layer.source)} and a weight: "
        f"{_extent(channels, window, layer.source)}.{padding}",
        lines,
        (
            Map(f"values of {_the(layer.source)}", values, window.corner),
            Map("weights", weights),
            Map("products", products, window.corner),
        ),
        _largest_products(layer, terms, len(terms)),
        kernel_values.convolution(conv, layer.input, index),
        exact,
    )


def _linear(layer: Layer, index: Index) -> Account:
    linear = layer.module
    assert isinstance(linear, nn.Linear)
    (unit,) = index
    weights = linear.weight.numpy()[unit]
    products = layer.input.astype(np.float64) * weights
    places = [coordinates(at, layer.source) for at in np.ndindex(layer.received.shape)]
    terms = map(Term, places, layer.input, weights, products)
    zero = np.count_nonzero(layer.input == 0)
    count = f"{products.size:,} products"
    lines, exact = _summed(layer, f"the sum of {count}", products, linear.bias, unit, index)
    maps: tuple[Map, ...] = ()
    if layer.received.ndim == 3:
        total = products.reshape(layer.received.shape).sum(axis=0, keepdims=True)
        maps = (Map(f"products, summed over the channels of {layer.source}", total),)
    return Account(
        layer.output[index],
        f"the bias and the sum of {count}, each of a value of {_the(layer.source)} and a weight. "
        f"{zero:,} of the values are 0.",
        lines,
        maps,
        _largest_products(layer, terms, products.size),
        kernel_values.linear(linear, layer.input, unit),
        exact,
    )


def _largest_products(layer: Layer, terms: Iterable[Term], count: int) -> Terms:
    names = coordinate_names(layer.received.ndim, layer.source)
    columns = names, "input", "weight", "product"
    return largest(f"the products of {layer.name}", columns, terms, count)


def _summed(
    layer: Layer,
    name: str,
    products: np.ndarray,
    bias: Any,
    number: int,
    index: Index,
) -> tuple[tuple[Line, ...], float]:
    """The lines from the products to the output, and the exact sum with the bias."""
    total = math.fsum(products.flat)
    lines = [Line(name, total)]
    exact = total
    if bias is not None:
        lines.append(Line("the bias", float(bias.numpy()[number])))
        exact = math.fsum([*products.flat, lines[-1].value])
    lines.append(Line(f"their sum: {layer.name}{before_activation(layer)}", exact))
    return (*lines, *_activation(layer, index)), exact


def before_activation(layer: Layer) -> str:
    """What is added to the name of a layer for its number before the ReLU or tanh."""
    return "" if layer.activation is None else f" before its {activation_name(layer)}"


def activation_name(layer: Layer) -> str:
    return "ReLU" if isinstance(layer.activation, nn.ReLU) else "tanh"


def _activation(layer: Layer, index: Index) -> list[Line]:
    """The line of the ReLU or tanh behind a layer."""
    if layer.activation is None:
        return []
    before = layer.before[index]
    formula = f"max(0, {before:.6g})" if isinstance(layer.activation, nn.ReLU) else "tanh of it"
    return [Line(f"{activation_name(layer)}: {formula}", float(layer.output[index]))]


# -- windows ---------------------------------------------------------------------------------------


def _input_place(layer: Layer, window: Window, channels: range, at: Index) -> str:
    channel, kh, kw = at
    index = channels[channel], window.rows[kh], window.columns[kw]
    return coordinates(index, layer.source)


def _extent(channels: range, window: Window, source: str) -> str:
    rows, columns = (f"{part[0]} to {part[-1]}" for part in window)
    if source == IMAGE:
        named = "its colors"
    elif len(channels) == 1:
        named = f"channel {channels[0]}"
    else:
        named = f"channels {channels[0]} to {channels[-1]}"
    return f"{named}, rows {rows}, columns {columns}"


def _the(source: str) -> str:
    return "the image" if source == IMAGE else source


def _map_of_window(layer: Layer, window: Window, channel: int) -> Map:
    """The values of one channel in a window; beyond the image there are none."""
    values = window.cut(layer.input[channel : channel + 1], outside=-math.inf)
    return Map(f"values of {_the(layer.source)}", values, window.corner)


def _max_pool(layer: Layer, index: Index) -> Account:
    channel, row, column = index
    window = Window.of(layer.module, row, column)
    values = window.cut(layer.input[channel : channel + 1], outside=-math.inf)
    at = np.unravel_index(np.argmax(values), values.shape)
    winner = channel, window.rows[at[1]], window.columns[at[2]]
    where = place(winner, layer.source)
    inside = np.isfinite(values).sum()
    return Account(
        layer.output[index],
        f"the largest of {inside} values of {layer.source}: "
        f"{_extent(range(channel, channel + 1), window, layer.source)}",
        (
            Line(f"the largest: {where}", float(values[at])),
            *_activation(layer, index),
        ),
        (_map_of_window(layer, window, channel),),
        kernels=kernel_values.max_pooling(layer.module, layer.input, index),
        exact=float(values[at]),
        notes=("Of equal values the first gets the gradient, row by row.",),
    )


def _avg_pool(layer: Layer, index: Index) -> Account:
    channel, row, column = index
    pool = layer.module
    assert isinstance(pool, nn.AvgPool2d)
    window = Window.of(pool, row, column)
    values = window.cut(layer.input[channel : channel + 1])
    inside = [at for at in np.ndindex(values.shape) if window.is_inside(layer.input.shape, at)]
    total = math.fsum(values[at] for at in inside)
    divisor = mean_divisor(layer, row, column)
    return Account(
        layer.output[index],
        f"the mean of {len(inside)} values of {layer.source}: "
        f"{_extent(range(channel, channel + 1), window, layer.source)}",
        (
            Line(f"the sum of {len(inside)} values", total),
            Line(f"divided by {divisor}", total / divisor),
            *_activation(layer, index),
        ),
        (_map_of_window(layer, window, channel),),
        exact=total / divisor,
    )


def mean_divisor(layer: Layer, row: int, column: int) -> int:
    """What an average pooling divides the sum of a window by, by the layer's own rule.

    Where a window hangs over the edge, that depends on the layer's options; the mean of ones and
    padded zeros tells it.
    """
    window = Window.of(layer.module, row, column)
    ones = np.ones((1, *layer.input.shape[1:]))
    mean = layer.module(Tensor(ones[np.newaxis])).numpy()[0, 0, row, column]
    return round(window.cut(ones).sum() / mean)


def _adaptive_avg_pool(layer: Layer, index: Index) -> Account:
    channel, row, column = index
    _, H, W = layer.input.shape
    _, OH, OW = layer.output.shape
    rows = averaging_matrix(H, OH, np.float64)[row]
    columns = averaging_matrix(W, OW, np.float64)[column]
    (h,), (w,) = np.nonzero(rows), np.nonzero(columns)
    values = layer.input[channel : channel + 1, h[0] : h[-1] + 1, w[0] : w[-1] + 1]
    total = math.fsum(values.flat)
    return Account(
        layer.output[index],
        f"the mean of {values.size} values of {layer.source}, channel {channel}: rows {h[0]} to "
        f"{h[-1]}, columns {w[0]} to {w[-1]}; the {OH}x{OW} windows cover the {H}x{W} pixels",
        (
            Line(f"the sum of {values.size} values", total),
            Line(f"divided by {values.size}", total / values.size),
        ),
        (Map(f"values of {_the(layer.source)}", values, (int(h[0]), int(w[0]))),),
        exact=total / values.size,
    )


# -- normalizations --------------------------------------------------------------------------------


def _local_response_norm(layer: Layer, index: Index) -> Account:
    channel, row, column = index
    norm: Any = layer.module
    window = channel_window(norm, channel, len(layer.input))
    values = layer.input[window.start : window.stop, row, column].astype(np.float64)
    total = math.fsum(values**2)
    names = [f"{c}{': the number itself' * (c == channel)}" for c in window]
    terms = [Term(name, value, value, value**2) for name, value in zip(names, values)]
    return _normalized(
        layer,
        index,
        total,
        norm.size,
        f"of {layer.source} at row {row}, column {column}, channels {window[0]} to {window[-1]}",
        terms,
        kernel_values.normalization(norm, layer.input, index),
    )


def _within_channel_norm(layer: Layer, index: Index) -> Account:
    channel, row, column = index
    norm: Any = layer.module
    reach = norm.size // 2
    window = Window(range(row - reach, row + reach + 1), range(column - reach, column + reach + 1))
    values = window.cut(layer.input[channel : channel + 1]).astype(np.float64)
    terms = [
        Term(
            coordinates((channel, window.rows[at[1]], window.columns[at[2]])),
            *(float(number) for number in (values[at], values[at], values[at] ** 2)),
        )
        for at in np.ndindex(values.shape)
        if window.is_inside(layer.input.shape, at)
    ]
    maps = (_map_of_window(layer, window, channel),)
    where = f"of channel {channel} of {layer.source} in a square of {norm.size}x{norm.size} pixels"
    total = math.fsum((values**2).flat)
    return _normalized(layer, index, total, norm.size**2, where, terms, (), maps)


def _normalized(
    layer: Layer,
    index: Index,
    total: float,
    count: int,
    where: str,
    terms: list[Term],
    kernels: Sequence[Any],
    maps: tuple[Map, ...] = (),
) -> Account:
    norm: Any = layer.module
    names = coordinate_names(3) if maps else "channel"
    value = float(layer.input[index])
    base = norm.k + norm.alpha / count * total
    denominator = base**norm.beta
    return Account(
        layer.output[index],
        f"the number, divided by (k + alpha / {count} * the sum of squares)^beta with k = "
        f"{norm.k:g}, alpha = {norm.alpha:.6g}, beta = {norm.beta:g}; the squares are "
        f"those {where}",
        (
            Line(f"the number: {layer.source} at this place", value),
            Line(f"the sum of {len(terms)} squares", total),
            Line(f"k + alpha / {count} * it", base),
            Line(f"to the power of {norm.beta:g}: the denominator", denominator),
            Line("the number / the denominator", value / denominator),
        ),
        maps,
        largest("the squares", (names, "value", "value", "square"), terms, len(terms)),
        tuple(kernels),
        value / denominator,
    )


def _constant_norm(layer: Layer, index: Index) -> Account:
    norm: Any = layer.module
    value = float(layer.input[index])
    return Account(
        layer.output[index],
        f"the number times {norm.gain:g}, whatever its neighbors are",
        (
            Line(f"the number: {layer.source} at this place", value),
            Line("times the gain", value * norm.gain),
        ),
        exact=value * norm.gain,
    )


# -- dropout ---------------------------------------------------------------------------------------


def _dropout(layer: Layer, index: Index) -> Account:
    dropout = layer.module
    assert isinstance(dropout, nn.Dropout)
    value = float(layer.input[index])
    element = int(np.ravel_multi_index(index, layer.input.shape))
    number = random_number(element, (0, 0))
    threshold = round(dropout.p * 2**32)
    is_kept = number >= threshold
    decision = "it is kept" if is_kept else "it becomes 0"
    return Account(
        layer.output[index],
        f"in evaluation the number itself. In training, a random number below {threshold:,} "
        f"({dropout.p:g} * 2^32) sets it to 0; otherwise it is divided by {1 - dropout.p:g}",
        (
            Line(f"random number {element:,} of the key (0, 0)", number),
            Line(f"in training: {decision}", value / (1 - dropout.p) if is_kept else 0.0),
            Line(f"in evaluation: {layer.source} at this place", value),
        ),
        exact=value,
        notes=(
            "The key is (seed, draws before): this is the first draw with seed 0, for the first "
            "image of a batch.",
        ),
    )


_KINDS: dict[type[nn.Module], Callable[[Layer, Index], Account]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive_avg_pool,
    nn.LocalResponseNorm: _local_response_norm,
    ColumnNorm: _local_response_norm,
    WithinChannelNorm: _within_channel_norm,
    ConstantNorm: _constant_norm,
    nn.Dropout: _dropout,
}
