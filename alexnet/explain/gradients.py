"""How the gradient of the loss to an output comes about: which later outputs send what."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alexnet.explain import kernel_values
from alexnet.explain.explanation import (
    Account,
    Index,
    Line,
    Map,
    Term,
    coordinate_names,
    coordinates,
    largest,
)
from alexnet.explain.outputs import activation_name, before_activation, mean_divisor
from alexnet.explain.passes import Layer, Passes
from alexnet.explain.windows import Window, channel_window, senders
from alexnet.model.layers import ColumnNorm, ConstantNorm, WithinChannelNorm
from minigrad import nn
from minigrad.ops.pool import averaging_matrix

Parts = tuple[list[Term], tuple[Map, ...], tuple[Any, ...]]


def account(passes: Passes, layer: Layer, index: Index) -> Account:
    """How the gradient of the loss to an output comes about: the sum of what later ones send.

    It is the gradient to the output with the layer's activation; that without it is the last line.
    """
    follower = passes.next_layer(layer.name)
    if follower is None:
        return _from_loss(passes, layer, index)
    function, formula = _KINDS[type(follower.module)]
    terms, maps, kernels = function(follower, index)
    exact = math.fsum(term.value for term in terms)
    senders = f"{len(terms):,} output{'s' * (len(terms) != 1)} of {follower.name}"
    lines = (Line(f"the sum of what {senders} send{'s' * (len(terms) == 1)}", exact),)
    return Account(
        layer.grad_output[index],
        formula.format(layer=follower.name, before=before_activation(follower)),
        lines + _through_activation(layer, index),
        maps,
        largest(
            f"what {follower.name} sends",
            (coordinate_names(follower.output.ndim), "gradient", "factor", "product"),
            terms,
            len(terms),
        ),
        kernels,
        exact,
    )


def _through_activation(layer: Layer, index: Index) -> tuple[Line, ...]:
    """The line from the gradient to an output to that of the sum before its activation."""
    if layer.activation is None:
        return ()
    before, after = float(layer.before[index]), float(layer.output[index])
    if isinstance(layer.activation, nn.ReLU):
        rule = f"times {int(before > 0)}, as the number before it is {before:.6g}"
    else:
        rule = f"times 1 - tanh^2 = {1 - after**2:.6g}"
    line = Line(f"before the {activation_name(layer)}: {rule}", float(layer.grad_before[index]))
    return (line,)


def _from_loss(passes: Passes, layer: Layer, index: Index) -> Account:
    (unit,) = index
    probability = float(probabilities(passes.scores)[unit])
    target = int(unit == passes.label)
    return Account(
        layer.grad_output[index],
        "the loss is -log of the probability of its class: the gradient to a score is the "
        "probability of its class, minus 1 for the class of the loss",
        (
            Line("the probability (softmax)", probability),
            Line("minus 1: the class of the loss" if target else "minus 0", probability - target),
        ),
        exact=probability - target,
    )


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Softmax of scores (K,), in float64."""
    powers = np.exp(scores.astype(np.float64) - float(scores.max()))
    return powers / powers.sum()


# -- what a later layer sends ----------------------------------------------------------------------


def _convolution(layer: Layer, index: Index) -> Parts:
    conv = layer.module
    assert isinstance(conv, nn.Conv2d)
    channel, row, column = index
    weight = conv.weight.numpy()
    inputs, outputs = weight.shape[1], conv.out_channels // conv.groups
    group, within = divmod(channel, inputs)
    kernels = range(group * outputs, (group + 1) * outputs)
    positions = [
        (oh, ow, kh, kw)
        for oh, kh in senders(conv, row, 0, layer.output.shape[1])
        for ow, kw in senders(conv, column, 1, layer.output.shape[2])
    ]
    terms = [
        Term(
            f"{k}, {oh}, {ow}; tap {kh}, {kw}",
            layer.grad_before[k, oh, ow],
            weight[k, within, kh, kw],
            float(layer.grad_before[k, oh, ow]) * float(weight[k, within, kh, kw]),
        )
        for k in kernels
        for oh, ow, kh, kw in positions
    ]
    rows = sorted({position[0] for position in positions})
    columns = sorted({position[1] for position in positions})
    sent = np.zeros((1, len(rows), len(columns)))
    values = iter(term.value for term in terms)
    for _ in kernels:
        for oh, ow, _, _ in positions:
            sent[0, oh - rows[0], ow - columns[0]] += next(values)
    title = f"what each place of {layer.name} sends, summed over its channels"
    maps = (Map(title, sent, (rows[0], columns[0])),) if positions else ()
    return terms, maps, kernel_values.convolution_gradient(conv, layer, index)


def _linear(layer: Layer, index: Index) -> Parts:
    linear = layer.module
    assert isinstance(linear, nn.Linear)
    element = int(np.ravel_multi_index(index, layer.received.shape))
    weights = linear.weight.numpy()[:, element]
    terms = [
        Term(str(unit), gradient, weight, float(gradient) * float(weight))
        for unit, (gradient, weight) in enumerate(zip(layer.grad_before, weights))
    ]
    return terms, (), kernel_values.linear_gradient(linear, layer, element)


def _max_pool(layer: Layer, index: Index) -> Parts:
    channel, row, column = index
    terms = []
    for oh, _ in senders(layer.module, row, 0, layer.output.shape[1]):
        for ow, _ in senders(layer.module, column, 1, layer.output.shape[2]):
            window = Window.of(layer.module, oh, ow)
            values = window.cut(layer.input[channel : channel + 1], outside=-math.inf)[0]
            kh, kw = np.unravel_index(np.argmax(values), values.shape)
            wins = (window.rows[kh], window.columns[kw]) == (row, column)
            gradient = float(layer.grad_before[channel, oh, ow])
            name = f"{channel}, {oh}, {ow}: {'its largest' if wins else 'not its largest'}"
            terms.append(Term(name, gradient, float(wins), gradient * wins))
    return terms, (), ()


def _avg_pool(layer: Layer, index: Index) -> Parts:
    channel, row, column = index
    terms = []
    for oh, _ in senders(layer.module, row, 0, layer.output.shape[1]):
        for ow, _ in senders(layer.module, column, 1, layer.output.shape[2]):
            at = channel, oh, ow
            terms.append(_term(layer, at, 1 / mean_divisor(layer, oh, ow)))
    return terms, (), ()


def _adaptive_avg_pool(layer: Layer, index: Index) -> Parts:
    channel, row, column = index
    _, H, W = layer.input.shape
    _, OH, OW = layer.output.shape
    rows = averaging_matrix(H, OH, np.float64)[:, row]
    columns = averaging_matrix(W, OW, np.float64)[:, column]
    terms = [
        _term(layer, (channel, int(oh), int(ow)), rows[oh] * columns[ow])
        for oh in np.flatnonzero(rows)
        for ow in np.flatnonzero(columns)
    ]
    return terms, (), ()


def _local_response_norm(layer: Layer, index: Index) -> Parts:
    channel, row, column = index
    norm: Any = layer.module
    C = len(layer.input)
    values = layer.input[:, row, column].astype(np.float64)
    terms = []
    for other in range(C):
        window = channel_window(norm, other, C)
        if channel in window:
            total = math.fsum(values[window.start : window.stop] ** 2)
            is_own = other == channel
            factor = _norm_slope(norm, norm.size, total, values[channel], values[other], is_own)
            terms.append(_term(layer, (other, row, column), factor))
    return terms, (), kernel_values.normalization_gradient(norm, layer, index)


def _within_channel_norm(layer: Layer, index: Index) -> Parts:
    channel, row, column = index
    norm: Any = layer.module
    _, H, W = layer.input.shape
    reach, count = norm.size // 2, norm.size**2
    values = layer.input[channel].astype(np.float64)
    terms = []
    for h in range(max(row - reach, 0), min(row + reach + 1, H)):
        for w in range(max(column - reach, 0), min(column + reach + 1, W)):
            square = values[max(h - reach, 0) : h + reach + 1, max(w - reach, 0) : w + reach + 1]
            total, is_own = math.fsum((square**2).flat), (h, w) == (row, column)
            factor = _norm_slope(norm, count, total, values[row, column], values[h, w], is_own)
            terms.append(_term(layer, (channel, h, w), factor))
    return terms, (), ()


def _norm_slope(
    norm: Any, count: int, total: float, value: float, other: float, is_own: bool
) -> float:
    """The derivative of other / (k + alpha / count * total)^beta to a value in the sum of squares.

    Args:
        total: the sum of the squares.
        is_own: whether the value is `other` itself.
    """
    base = norm.k + norm.alpha / count * total
    slope = -2 * norm.alpha * norm.beta / count * value * other * base ** (-norm.beta - 1)
    return slope + (base**-norm.beta if is_own else 0.0)


def _constant_norm(layer: Layer, index: Index) -> Parts:
    assert isinstance(layer.module, ConstantNorm)
    return [_term(layer, index, layer.module.gain)], (), ()


def _dropout(layer: Layer, index: Index) -> Parts:
    at = np.unravel_index(np.ravel_multi_index(index, layer.received.shape), layer.output.shape)
    return [_term(layer, tuple(map(int, at)), 1.0)], (), ()


def _term(layer: Layer, at: Index, factor: float) -> Term:
    """What one output of a layer sends through a known factor."""
    gradient = float(layer.grad_before[at])
    return Term(coordinates(at), gradient, factor, gradient * factor)


_NORMALIZED = (
    "this number is divided in {layer}, and its square makes the denominators of its neighbors "
    "larger: each sends its gradient times the derivative of its quotient"
)
_KINDS: dict[type[nn.Module], tuple[Callable[[Layer, Index], Parts], str]] = {
    nn.Conv2d: (
        _convolution,
        "each output of {layer} whose window holds this place sends its gradient{before}, times "
        "the weight that connects the two",
    ),
    nn.Linear: (
        _linear,
        "each unit of {layer} sends its gradient{before}, times the weight that connects the two",
    ),
    nn.MaxPool2d: (
        _max_pool,
        "each window of {layer} that holds this place sends its gradient{before} if this is its "
        "largest value, and 0 otherwise",
    ),
    nn.AvgPool2d: (
        _avg_pool,
        "each window of {layer} that holds this place sends its gradient{before}, divided as the "
        "mean was",
    ),
    nn.AdaptiveAvgPool2d: (
        _adaptive_avg_pool,
        "each window of {layer} that holds this place sends its gradient, divided by its pixels",
    ),
    nn.LocalResponseNorm: (_local_response_norm, _NORMALIZED),
    ColumnNorm: (_local_response_norm, _NORMALIZED),
    WithinChannelNorm: (_within_channel_norm, _NORMALIZED),
    ConstantNorm: (_constant_norm, "{layer} sends its gradient times its gain"),
    nn.Dropout: (_dropout, "in evaluation {layer} changes nothing: it sends its gradient as it is"),
}
