"""Parameter updates: steps worked out by hand, the reference against PyTorch, cpu against it."""

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels

SHAPES = [(1,), (7,), (3, 5), (2, 3, 3, 1), ((1 << 14) + 33,)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "form, nesterov, velocity, parameter",
    [
        # g + wd w = 0.5 + 0.1 * 2 = 0.7;  v = 0.9 * 1 + 0.7 = 1.6;  w = 2 - 0.1 * 1.6
        ("torch", False, 1.6, 1.84),
        # w = 2 - 0.1 * (0.9 * 1.6 + 0.7)
        ("torch", True, 1.6, 1.786),
        # v = 0.9 * 1 - 0.1 * 0.1 * 2 - 0.1 * 0.5 = 0.83;  w = 2 + 0.83
        ("paper", False, 0.83, 2.83),
        # w = 2 + 0.9 * 0.83 - 0.07
        ("paper", True, 0.83, 2.677),
    ],
)
def test_sgd_by_hand(backend, form, nesterov, velocity, parameter, dtype):
    w, g, v = (np.array([value], dtype) for value in (2, 0.5, 1))
    Kernels(backend).sgd.update(w, g, v, 0.1, 0.9, 0.1, form, nesterov)
    np.testing.assert_allclose((v[0], w[0], g[0]), (velocity, parameter, 0.5), rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sgd_names_its_forms(backend):
    arrays = [np.ones(1, np.float32) for _ in range(3)]
    with pytest.raises(ValueError, match="form must be 'torch' or 'paper', got 'nesterov'"):
        Kernels(backend).sgd.update(*arrays, 0.1, 0.9, 0.0, "nesterov", False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_adam_by_hand(backend, dtype):
    # g = 0.5 + 0.1 * 2 = 0.7, and in the first step m / (1 - beta1) = g, v / (1 - beta2) = g^2,
    # so w moves by lr * 0.7 / (0.7 + 0.1); eps = 0.1 to see where it is added.
    w, g, m, v = (np.array([value], dtype) for value in (2, 0.5, 0, 0))
    Kernels(backend).adam.update(w, g, m, v, 0.01, 0.9, 0.99, 0.1, 0.1, 1)
    np.testing.assert_allclose((m[0], v[0]), (0.07, 0.0049), rtol=1e-5)
    np.testing.assert_allclose(w[0], 2 - 0.01 * 0.7 / 0.8, rtol=1e-6)


def several_steps(backend, family, shape, dtype, options, state_size, steps=4):
    """Parameter and state after some steps with random gradients, the same for every backend."""
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(shape).astype(dtype)]
    arrays += [np.zeros(shape, dtype) for _ in range(state_size)]
    for step in range(1, steps + 1):
        gradient = rng.standard_normal(shape).astype(dtype)
        scalars = [step if option == "step" else option for option in options]
        getattr(Kernels(backend), family).update(arrays[0], gradient, *arrays[1:], *scalars)
    return arrays


UPDATES = {
    "sgd-torch": ("sgd", (0.1, 0.9, 0.01, "torch", False), 1),
    "sgd-torch-no-momentum": ("sgd", (0.1, 0.0, 0.01, "torch", False), 1),
    "sgd-paper": ("sgd", (0.1, 0.9, 0.01, "paper", False), 1),
    "sgd-paper-no-momentum": ("sgd", (0.1, 0.0, 0.01, "paper", False), 1),
    "sgd-torch-nesterov": ("sgd", (0.1, 0.9, 0.01, "torch", True), 1),
    "sgd-paper-nesterov": ("sgd", (0.1, 0.9, 0.01, "paper", True), 1),
    "adam": ("adam", (0.01, 0.9, 0.999, 1e-8, 0.0, "step"), 2),
    "adam-weight-decay": ("adam", (0.01, 0.8, 0.95, 1e-3, 0.1, "step"), 2),
}


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("family, options, state_size", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_reference(backend, family, options, state_size, shape, dtype, assert_close):
    expected = several_steps("reference", family, shape, dtype, options, state_size)
    for array, other in zip(
        several_steps(backend, family, shape, dtype, options, state_size), expected, strict=True
    ):
        assert_close(array, other)


@pytest.mark.parametrize(
    "name",
    ["sgd-torch", "sgd-torch-no-momentum", "sgd-torch-nesterov", "adam", "adam-weight-decay"],
)
def test_reference_against_pytorch(name, torch):
    family, options, state_size = UPDATES[name]
    rng = np.random.default_rng(1)
    parameter = torch.nn.Parameter(torch.from_numpy(rng.standard_normal((3, 5))))
    if family == "sgd":
        lr, momentum, weight_decay, _, nesterov = options
        optimizer = torch.optim.SGD(
            [parameter], lr, momentum, weight_decay=weight_decay, nesterov=nesterov
        )
    else:
        lr, beta1, beta2, eps, weight_decay, _ = options
        optimizer = torch.optim.Adam([parameter], lr, (beta1, beta2), eps, weight_decay)
    for _ in range(4):
        parameter.grad = torch.from_numpy(rng.standard_normal((3, 5)))
        optimizer.step()
    ours, *_ = several_steps("reference", family, (3, 5), np.float64, options, state_size)
    np.testing.assert_allclose(ours, parameter.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["sgd-torch", "adam"])
def test_threads(name, same_on_any_number_of_threads):
    family, options, state_size = UPDATES[name]
    same_on_any_number_of_threads(
        lambda: several_steps("cpu", family, (100_003,), np.float32, options, state_size)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_lerp_by_hand(backend, dtype):
    start, end = np.array([[1, 2], [-4, 0]], dtype), np.array([[3, 2], [4, -8]], dtype)
    Kernels(backend).lerp.update(start, end, 0.25)
    assert start.tolist() == [[1.5, 2], [-2, -2]]
    assert end.tolist() == [[3, 2], [4, -8]]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lerp_against_pytorch(backend, shape, dtype, rng, torch, assert_close):
    start, end = rng.standard_normal((2, *shape)).astype(dtype)
    expected = torch.lerp(torch.from_numpy(start), torch.from_numpy(end), 0.01).numpy()
    Kernels(backend).lerp.update(start, end, 0.01)
    assert_close(start, expected)


def test_lerp_on_threads(same_on_any_number_of_threads, rng):
    end = rng.standard_normal(100_003).astype(np.float32)

    def steps():
        start = np.zeros_like(end)
        for _ in range(3):
            Kernels("cpu").lerp.update(start, end, 0.1)
        return [start]

    same_on_any_number_of_threads(steps)
