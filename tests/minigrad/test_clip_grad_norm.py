"""Clipping of gradients: by hand, against PyTorch, on the GPU's kernels, and what is refused."""

import math

import numpy as np
import pytest

from minigrad import Tensor, nn
from minigrad.nn.utils import clip_grad_norm_


def parameters(*gradients, dtype=np.float64, device="cpu"):
    """Parameters that have these gradients, or none."""
    made = []
    for gradient in gradients:
        shape = () if gradient is None else np.shape(gradient)
        parameter = nn.Parameter(Tensor(np.zeros(shape, dtype)).to(device).data)
        if gradient is not None:
            parameter.grad = Tensor(np.array(gradient, dtype)).to(device)
        made.append(parameter)
    return made


def gradients(parameters):
    return [None if p.grad is None else p.grad.numpy().tolist() for p in parameters]


def test_by_hand():
    """Of length 5, so that half of it is left."""
    given = parameters([3.0], None, [[0.0, 4.0]])
    assert clip_grad_norm_(iter(given), 2.5) == 5
    first, none, second = gradients(given)
    assert none is None
    np.testing.assert_allclose([*first, *second[0]], [1.5, 0, 2], rtol=1e-6)


@pytest.mark.parametrize("max_norm", [5.1, math.inf])
def test_short_gradients_stay(max_norm):
    given = parameters([3.0], [[0.0, 4.0]])
    arrays = [p.grad.data for p in given]
    assert clip_grad_norm_(given, max_norm) == 5
    assert all(p.grad.data is array for p, array in zip(given, arrays))


def test_a_shared_gradient_is_divided_once():
    a, b = parameters([3.0], [3.0])
    b.grad = a.grad
    norm = clip_grad_norm_([a, b], 1.0)
    assert norm == pytest.approx(math.sqrt(18))
    np.testing.assert_allclose([a.grad.data[0], b.grad.data[0]], 3 / norm, rtol=1e-6)


def test_one_tensor_and_none():
    (single,) = parameters([3.0, 4.0])
    assert clip_grad_norm_(single, 1.0) == 5
    assert clip_grad_norm_([], 1.0) == clip_grad_norm_(parameters(None), 1.0) == 0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_norm", [0.5, 20.0])
def test_against_pytorch(torch, rng, cuda, device, dtype, max_norm):
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((7,), (3, 4), (2, 3, 3, 3))]
    ours = parameters(*arrays, dtype=dtype, device=device)
    theirs = [torch.nn.Parameter(torch.zeros(array.shape)) for array in arrays]
    theirs = [parameter.to(torch.tensor(arrays[0]).dtype) for parameter in theirs]
    for parameter, array in zip(theirs, arrays):
        parameter.grad = torch.tensor(array)
    norm = clip_grad_norm_(ours, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-6)
    for one, other in zip(ours, theirs):
        assert one.grad.dtype == dtype
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_gradients_that_are_not_finite(torch, value):
    given, theirs = parameters([1.0], [value]), torch.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="clip_grad_norm_: the norm of the gradients is "):
        clip_grad_norm_(given, 1.0, error_if_nonfinite=True)
    assert gradients(given)[0] == [1]
    clip_grad_norm_(given, 1.0)
    theirs.grad = torch.tensor([1.0, value])
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    np.testing.assert_array_equal([*gradients(given)[0], *gradients(given)[1]], theirs.grad.numpy())


@pytest.mark.parametrize("max_norm", [0, -1.0, math.nan, "1", None])
def test_wrong_norms(max_norm):
    with pytest.raises(ValueError, match="clip_grad_norm_: max_norm must be above 0, got "):
        clip_grad_norm_(parameters([1.0]), max_norm)
