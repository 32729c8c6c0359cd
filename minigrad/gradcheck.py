"""Compare gradients with finite differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd import is_grad_enabled, no_grad
from minigrad.backend import backend_of
from minigrad.tensor import Tensor


class GradcheckError(AssertionError):
    """A gradient disagrees with finite differences, or the function cannot be checked by them."""


def gradcheck(
    func: Callable[..., Tensor],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    mode: str = "full",
    seed: int = 0,
) -> bool:
    """Check the gradient of `func` with respect to every input that requires one.

    The numerical derivative is the central difference (f(x + eps) - f(x - eps)) / (2 eps).
    Output gradients are random: all ones would hide, for instance, any mistake in the backward
    of a softmax, whose rows sum to a constant.

    Args:
        func: takes the inputs, returns a Tensor. It must return the same values each time: one
            with dropout calls `minigrad.manual_seed` itself.
        inputs: a tensor or the arguments of `func`; tensors with requires_grad are checked and
            must be float64.
        eps: size of the perturbation.
        atol, rtol: the check fails where |analytic - numerical| > atol + rtol * |numerical|.
        mode: "full" compares every element of the Jacobian, at the cost of two evaluations per
            input element and one backward pass per output element. "direction" compares the slope
            along one random direction through all inputs, at the cost of three evaluations.
        seed: for the random output gradients and directions.

    Returns:
        True.

    Raises:
        GradcheckError: a gradient is wrong (the message has the worst element); or `func` has a
            kink at the input, changes its inputs, or is not deterministic.
        TypeError, ValueError: the inputs, or what `func` returns, cannot be checked.
        RuntimeError: called within `no_grad`.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    # An input that is given twice is checked once: it moves in both places.
    checked = [
        i
        for i, x in enumerate(inputs)
        if isinstance(x, Tensor) and x.requires_grad and not any(x is y for y in inputs[:i])
    ]
    if not checked:
        raise ValueError("gradcheck: no input has requires_grad=True")
    if not is_grad_enabled():
        raise RuntimeError("gradcheck: within no_grad() there are no gradients to check")
    _require_inputs_that_can_be_moved(inputs, checked)
    check = _Check(func, inputs, checked, eps, atol, rtol, np.random.default_rng(seed))
    check.repeatable()
    if mode == "full":
        check.full_jacobian()
    elif mode == "direction":
        check.one_direction()
    else:
        raise ValueError(f"gradcheck: mode must be 'full' or 'direction', got {mode!r}")
    return True


def _require_inputs_that_can_be_moved(inputs: tuple[Any, ...], checked: list[int]) -> None:
    for i in checked:
        array = inputs[i].data
        if inputs[i].dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} is {inputs[i].dtype}, expected float64")
        if not getattr(array.flags, "writeable", True):
            raise ValueError(f"gradcheck: input {i} is read-only, so that it cannot be moved")
        for j, other in enumerate(inputs):
            memory = other.data if isinstance(other, Tensor) else other
            if other is not inputs[i] and backend_of(array).shares_memory(array, memory):
                raise ValueError(
                    f"gradcheck: inputs {i} and {j} share memory, so that one moves the other: "
                    "copy one of them"
                )


class _Check:
    def __init__(
        self,
        func: Callable[..., Tensor],
        inputs: tuple[Any, ...],
        checked: list[int],
        eps: float,
        atol: float,
        rtol: float,
        rng: np.random.Generator,
    ):
        self.func, self.inputs, self.checked = func, inputs, checked
        self.eps, self.atol, self.rtol, self.rng = eps, atol, rtol, rng
        self.backend = backend_of(inputs[checked[0]].data)

    def evaluate(self) -> np.ndarray:
        with no_grad():
            return self.output_of(self.inputs).numpy().copy()

    def output_of(self, inputs: Sequence[Any]) -> Tensor:
        output = self.func(*inputs)
        if not isinstance(output, Tensor) or output.dtype != np.float64:
            kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
            raise TypeError(f"gradcheck: func returned {kind}, expected one float64 Tensor")
        return output

    def backward(self, grad_output: np.ndarray) -> list[np.ndarray]:
        """Analytic gradients of the checked inputs for this output gradient."""
        # The inputs may belong to a graph, so fresh leaves are used.
        fresh = {
            id(self.inputs[i]): Tensor(self.inputs[i].data, requires_grad=True)
            for i in self.checked
        }
        leaves = [fresh.get(id(x), x) for x in self.inputs]
        output = self.output_of(leaves)
        if output.requires_grad:
            output.backward(Tensor(self.backend.asarray(grad_output)))
        return [
            np.zeros(leaves[i].shape) if leaves[i].grad is None else leaves[i].grad.numpy()
            for i in self.checked
        ]

    def random_like(self, array: np.ndarray) -> np.ndarray:
        """Random numbers of either sign, none near zero, so that no element is left out."""
        sign = self.rng.choice((-1.0, 1.0), array.shape)
        return np.asarray(sign * self.rng.uniform(0.5, 1.5, array.shape))

    def repeatable(self) -> None:
        before = [self.inputs[i].numpy().copy() for i in self.checked]
        self.output = self.evaluate()
        if not np.array_equal(self.output, self.evaluate(), equal_nan=True):
            raise GradcheckError("func returns different values for the same input")
        grad_output = self.random_like(self.output)
        first, second = self.backward(grad_output), self.backward(grad_output)
        doubled = self.backward(2 * grad_output)
        for i, old, a, b, twice in zip(self.checked, before, first, second, doubled):
            if not np.array_equal(old, self.inputs[i].numpy()):
                raise GradcheckError(f"func or its backward changes input {i} in place")
            if not np.array_equal(a, b, equal_nan=True):
                raise GradcheckError(f"two backward passes give input {i} different gradients")
            if not np.allclose(twice, 2 * a, rtol=1e-9, atol=0, equal_nan=True):
                raise GradcheckError(f"the gradient of input {i} is not linear in the output's")

    def full_jacobian(self) -> None:
        numerical = [self.numerical_jacobian(i) for i in self.checked]
        analytic = [np.empty_like(jacobian) for jacobian in numerical]
        scales = self.random_like(self.output).reshape(-1)
        for row, scale in enumerate(scales):
            grad_output = np.zeros(self.output.size)
            grad_output[row] = scale
            gradients = self.backward(grad_output.reshape(self.output.shape))
            for jacobian, gradient in zip(analytic, gradients):
                jacobian[row] = gradient.reshape(-1) / scale
        for i, ours, theirs in zip(self.checked, analytic, numerical):
            self.compare(i, ours, theirs)

    def numerical_jacobian(self, i: int) -> np.ndarray:
        flat = self.inputs[i].data.reshape(-1)
        if flat.size and not self.backend.shares_memory(flat, self.inputs[i].data):
            raise ValueError(f"gradcheck: input {i} must be contiguous")
        jacobian = np.empty((self.output.size, flat.size))
        for column in range(flat.size):
            value = float(flat[column])
            try:
                flat[column] = value + self.eps
                above = self.evaluate()
                flat[column] = value - self.eps
                below = self.evaluate()
            finally:
                flat[column] = value
            self.detect_kink(i, np.unravel_index(column, self.inputs[i].shape), above, below)
            jacobian[:, column] = ((above - below) / (2 * self.eps)).reshape(-1)
        return jacobian

    def detect_kink(self, i: int, index: tuple, above: np.ndarray, below: np.ndarray) -> None:
        """Left and right slope differ by eps * f'' where f is smooth, and by a jump at a kink."""
        right, left = (above - self.output) / self.eps, (self.output - below) / self.eps
        limit = self.atol + self.rtol * np.maximum(np.abs(left), np.abs(right))
        jump = np.abs(right - left) - limit
        if jump.size and jump.max() > 0:
            worst = np.unravel_index(jump.argmax(), jump.shape)
            raise GradcheckError(
                f"kink at input {i} {_position(index)}: the slope of output {_position(worst)} is "
                f"{left[worst]:.6g} on the left and {right[worst]:.6g} on the right; move the "
                "input away from it (distinct values for max-pooling, non-zero for ReLU)"
            )

    def compare(self, i: int, analytic: np.ndarray, numerical: np.ndarray) -> None:
        excess = np.abs(analytic - numerical) - self.atol - self.rtol * np.abs(numerical)
        excess = np.where(np.isnan(excess), np.inf, excess)
        if not excess.size or excess.max() <= 0:
            return
        row, column = np.unravel_index(excess.argmax(), excess.shape)
        wrong = int((excess > 0).sum())
        raise GradcheckError(
            f"gradient of input {i} is wrong in {wrong} of {excess.size} elements; the worst is "
            f"d output{_position(np.unravel_index(row, self.output.shape))} / "
            f"d input{_position(np.unravel_index(column, self.inputs[i].shape))}: "
            f"analytic {analytic[row, column]:.9g}, numerical {numerical[row, column]:.9g}"
        )

    def one_direction(self) -> None:
        grad_output = self.random_like(self.output)
        directions = [self.random_like(self.inputs[i].numpy()) for i in self.checked]
        length = np.sqrt(sum(float((d * d).sum()) for d in directions)) or 1.0  # 0 of no elements
        originals = [self.inputs[i].numpy().copy() for i in self.checked]

        def moved(distance: float) -> np.ndarray:
            for i, original, direction in zip(self.checked, originals, directions):
                self.inputs[i].data[...] = self.backend.asarray(
                    original + distance / length * direction
                )
            return self.evaluate()

        try:
            above, below = moved(self.eps), moved(-self.eps)
        finally:
            for i, original in zip(self.checked, originals):
                self.inputs[i].data[...] = self.backend.asarray(original)
        self.detect_kink(self.checked[0], (), above, below)
        numerical = float((grad_output * (above - below)).sum() / (2 * self.eps))
        analytic = sum(
            float((gradient * direction).sum()) / length
            for gradient, direction in zip(self.backward(grad_output), directions)
        )
        if not abs(analytic - numerical) <= self.atol + self.rtol * abs(numerical):
            raise GradcheckError(
                f"slope along a random direction: analytic {analytic:.9g}, "
                f"numerical {numerical:.9g}; mode='full' names the element"
            )


def _position(index: tuple) -> str:
    return f"[{', '.join(str(int(i)) for i in index)}]" if index else "along the direction"
