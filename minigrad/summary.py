"""`summary`: what each layer of a network gives and costs, found by running it once."""

import copy
import html
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minigrad import backend as backends
from minigrad import observers
from minigrad.autograd import Function, no_grad
from minigrad.nn import Fused, Module, Parameter, Sequential
from minigrad.random import random_keys
from minigrad.tensor import Tensor

_HEADER = ("layer", "kind", "output shape", "parameters", "multiply-adds", "output bytes")


@dataclass(frozen=True)
class LayerSummary:
    """One layer; its numbers are those of the given batch, and of all calls of the layer.

    Attributes:
        name: as in `Module.named_modules`; "" for the network itself.
        kind: name of its class.
        output_shape: of its last call, with the batch; None if it was not called, or returned
            something else than a tensor.
        parameters: weights and biases that are its own, but for those that a layer before it has.
        multiply_adds: products, each with its addition, in convolutions and matrix products.
        output_bytes: of the arrays that its operations write; a view writes none.
        calls: how often the network calls it.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    output_bytes: int
    calls: int


@dataclass(frozen=True, repr=False)
class Summary:
    """A network, layer by layer. Its printed form is a table, in a notebook a table of HTML.

    Attributes:
        layers: in the order of their first calls; those that are not called come last.
        input_shapes: of the arguments, with the batch.
        training: whether the network was in training mode.
        parameters: weights and biases, each counted once.
        trainable_parameters: those that require a gradient.
        parameter_bytes: memory of all parameters.
        notes: sentences about what the numbers of a layer do not say themselves.
    """

    layers: tuple[LayerSummary, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    training: bool
    parameters: int
    trainable_parameters: int
    parameter_bytes: int
    notes: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Of a forward pass of the batch."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def output_bytes(self) -> int:
        """What all layers write in a forward pass of the batch."""
        return sum(layer.output_bytes for layer in self.layers)

    def __repr__(self) -> str:
        rows = [_HEADER, *map(_cells, self.layers), self._totals()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = []
        for row in rows:
            left = [cell.ljust(width) for cell, width in zip(row[:3], widths)]
            right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:])]
            lines.append("  ".join([*left, *right]))
        rule = "-" * len(lines[0])
        table = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
        return "\n".join([*table, "", *self._sentences()])

    def _repr_html_(self) -> str:
        rows = [*map(_cells, self.layers), self._totals()]
        head = _html_row(_HEADER, "th")
        body = "".join(_html_row(row, "td") for row in rows)
        sentences = "<br>".join(map(html.escape, self._sentences()))
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table><p>{sentences}</p>"

    def _totals(self) -> tuple[str, ...]:
        numbers = self.parameters, self.multiply_adds, self.output_bytes
        return ("total", "", "", *(f"{number:,}" for number in numbers))

    def _sentences(self) -> list[str]:
        shapes = ", ".join(map(str, self.input_shapes))
        mode = "training" if self.training else "evaluation"
        return [
            f"Input {shapes}, in {mode} mode.",
            f"{self.trainable_parameters:,} of {self.parameters:,} parameters are trainable; all "
            f"take {self.parameter_bytes:,} bytes.",
            *self.notes,
        ]


def summary(model: Module, *input_shapes: Sequence[int]) -> Summary:
    """Run a network once on zeros, and say what each of its layers gives and costs.

    A layer is a module without modules in it, and any other that has parameters of its own or
    calls operations itself; what operations write and multiply is counted with the innermost
    module that calls them. The two layers of an `nn.Fused` are listed one by one.

    The network stays as it is, and in its mode: `model.eval()` first shows what evaluation costs.
    The run is made with a copy of everything but the parameters. It records no graph, and random
    numbers go on afterwards as if it had not been made.

    Args:
        model: any network.
        input_shapes: of each argument of `forward`, with the batch, as (1, 3, 32, 32). The
            arguments have the float type and the device of the parameters.

    Raises:
        TypeError: `model` is no Module or cannot be copied, or a shape is no shape.
        ValueError, TypeError, RuntimeError: what a layer raises, with its name at the beginning.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: model is a Module, got {type(model).__name__}")
    shapes = tuple(map(_checked_shape, input_shapes))
    parameters = list(model.parameters())
    run = _Run(_copied(model))
    inputs = [_zeros(shape, parameters) for shape in shapes]
    before = random_keys.seed, random_keys.call
    try:
        observers.add(run)
        with no_grad():
            run.start(inputs)
    finally:
        observers.remove(run)
        random_keys.seed, random_keys.call = before
    return Summary(
        layers=tuple(run.layers()),
        input_shapes=shapes,
        training=model.training,
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        parameter_bytes=sum(p.data.nbytes for p in parameters),
        notes=tuple(run.notes()),
    )


class _Counts:
    """What is counted of a module while the network runs."""

    def __init__(self, name: str, module: Module):
        self.name, self.kind = name, type(module).__name__
        children = list(module.named_children())
        self.own = [value for value in vars(module).values() if isinstance(value, Parameter)]
        self.is_layer = bool(self.own) or not children
        self.output_shape: tuple[int, ...] | None = None
        self.parameters = self.multiply_adds = self.output_bytes = self.calls = 0

    @property
    def label(self) -> str:
        return f"{self.name} ({self.kind})" if self.name else self.kind


class _Run(observers.Observer):
    """A network whose modules report their calls; it is a copy, so that nobody else sees that."""

    def __init__(self, model: Module):
        self.model = model
        self.thread = threading.get_ident()
        self.active: list[_Counts] = []
        self.called: list[_Counts] = []
        self.error: Exception | None = None
        self.counts: dict[int, _Counts] = {}  # by the identity of the module
        for name, module in model.named_modules():
            # A module with several names is one layer, which has the first of them.
            if id(module) not in self.counts:
                counts = self.counts[id(module)] = _Counts(name, module)
                # The layers of a Fused in a Sequential are named, the Fused itself is not.
                for step in (module, *(module.steps if isinstance(module, Sequential) else ())):
                    if isinstance(step, Fused):
                        vars(step)["forward"] = partial(self._one_by_one, step)
                if module is not model:
                    vars(module)["forward"] = partial(self._call, counts, module.forward)

    def start(self, inputs: Sequence[Tensor]) -> None:
        """Run the network, which may define `__call__` instead of `forward`."""
        self._call(self.counts[id(self.model)], self.model, *inputs)

    def _call(self, counts: _Counts, forward: Callable, *args: Any, **kwargs: Any) -> Any:
        if not counts.calls:
            self.called.append(counts)
        counts.calls += 1
        self.active.append(counts)
        try:
            output = forward(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError) as error:
            if error is not self.error:  # it passes through the modules around the layer, too
                self.error = error
                error.args = (f"{counts.label}: {error}",)
            raise
        finally:
            self.active.pop()
        counts.output_shape = output.shape if isinstance(output, Tensor) else None
        return output

    def _one_by_one(self, fused: Fused, input: Tensor) -> Tensor:
        """Both layers of a pair, of which only one array is written.

        That of a convolution becomes the ReLU's; that of a normalization is never written.
        """
        first, second = fused.layers
        bytes_before = {id(layer): self.counts[id(layer)].output_bytes for layer in fused.layers}
        between = first(input)
        output = second(between)
        unwritten = id(second if between.shape == output.shape else first)
        self.counts[unwritten].output_bytes = bytes_before[unwritten]
        return output

    def computed(self, function: type[Function], inputs: tuple[Any, ...], output: Any) -> None:
        """Count an operation of this thread with the module that calls it."""
        if threading.get_ident() != self.thread:
            return
        counts = self.active[-1]
        counts.is_layer = True
        counts.multiply_adds += function.multiply_adds(inputs, output)
        share = backends.backend_of(output).may_share_memory
        if not any(share(array, output) for array in inputs):
            counts.output_bytes += output.nbytes

    def layers(self) -> Iterator[LayerSummary]:
        counted: set[int] = set()
        for counts in self._rows():
            own = {id(p): p.numel() for p in counts.own if id(p) not in counted}
            counted |= own.keys()
            yield LayerSummary(
                counts.name,
                counts.kind,
                counts.output_shape,
                sum(own.values()),
                counts.multiply_adds,
                counts.output_bytes,
                counts.calls,
            )

    def notes(self) -> Iterator[str]:
        owners: dict[int, _Counts] = {}
        for counts in self._rows():
            if counts.calls == 0:
                yield f"{counts.label} is not called."
            if counts.calls > 1:
                yield (
                    f"{counts.label} is called {counts.calls} times: its parameters are counted "
                    "once, its multiply-adds and bytes for all calls."
                )
            others = [owners.setdefault(id(parameter), counts) for parameter in counts.own]
            for label in dict.fromkeys(other.label for other in others if other is not counts):
                yield f"{counts.label} shares parameters with {label}, where they are counted."

    def _rows(self) -> list[_Counts]:
        uncalled = [counts for counts in self.counts.values() if not counts.calls]
        return [counts for counts in (*self.called, *uncalled) if counts.is_layer]


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    integers = (int, np.integer)
    if not isinstance(shape, list | tuple) or not all(isinstance(n, integers) for n in shape):
        raise TypeError(f"summary: a shape is a tuple such as (1, 3, 32, 32), got {shape!r}")
    if any(size < 0 for size in shape):
        raise ValueError(f"summary: a shape has no negative sizes, got {shape!r}")
    return tuple(map(int, shape))


def _copied(model: Module) -> Module:
    """A copy of everything but the parameters, which no forward pass changes."""
    values = [value for _, module in model.named_modules() for value in vars(module).values()]
    # Nor does it change an output that a module has kept, which cannot be copied with its graph.
    shared = [v for v in values if isinstance(v, Tensor) and (v._node or isinstance(v, Parameter))]
    try:
        return copy.deepcopy(model, {id(value): value for value in shared})
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"summary: {type(model).__name__} has an attribute that cannot be copied: {error}"
        ) from error


def _zeros(shape: tuple[int, ...], parameters: list[Parameter]) -> Tensor:
    dtype = parameters[0].dtype if parameters else np.dtype(np.float32)
    device = parameters[0].device if parameters else "cpu"
    return Tensor(backends.get(device).asarray(np.zeros(shape, dtype)))


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    shape = "-" if layer.output_shape is None else str(layer.output_shape)
    numbers = layer.parameters, layer.multiply_adds, layer.output_bytes
    name = layer.name or "(network)"
    return (name, layer.kind, shape, *(f"{number:,}" for number in numbers))


def _html_row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
