"""A batch of no images, forward and backward: what PyTorch gives, or refused."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from tests.op_cases import CASES

pytestmark = pytest.mark.usefixtures("one_thread")

LAYERS = {
    "matmul",
    "linear",
    "conv2d",
    "conv2d_relu",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "local_response_norm",
    "local_response_norm_max_pool2d",
    "softmax",
    "log_softmax",
    "flatten",
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.operation in LAYERS], ids=lambda case: case.name
)
def test_layer(case, kernels, torch, rng):
    device = "cuda" if kernels == "cuda" else "cpu"
    arrays = case.make_inputs(rng, np.float32)
    arrays[0] = np.empty((0, *arrays[0].shape[1:]), np.float32)
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = [leaf(x, device) for x in arrays]
    if "one image" in case.name or arrays[0].ndim == 1:  # no channels, or no terms of a sum
        if case.operation not in ("softmax", "log_softmax"):
            with pytest.raises(ValueError, match=case.operation):
                case.function(*ours)
            return
    expected = case.torch(torch, *theirs)
    output = case.function(*ours)
    assert output.shape == tuple(expected.shape)
    output.sum().backward()
    expected.sum().backward()
    assert ours[0].grad.shape == ours[0].shape
    for x, y in zip(ours, theirs):
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def leaf(array, device):
    tensor = mg.Tensor(array).to(device)
    tensor.requires_grad = True
    return tensor


@pytest.mark.parametrize("reduction, expected", [("mean", np.nan), ("sum", 0), ("none", None)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("target", ["labels", "probabilities", "no label that counts"])
def test_cross_entropy(target, smoothing, weighted, reduction, expected, kernels):
    """Its mean is nan, and its gradient 0: one such batch does not spoil the weights."""
    N, device = 3 * (target == "no label that counts"), "cuda" if kernels == "cuda" else "cpu"
    scores = leaf(np.full((N, 4), [1, 2, -np.inf, 0], np.float32), device)
    labels = np.empty((0, 4)) if target == "probabilities" else np.full(N, -100)
    weight = mg.Tensor(np.ones(4, np.float32)).to(device) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    loss = F.cross_entropy(scores, labels, weight, **options)
    np.testing.assert_array_equal(loss.numpy(), np.zeros(N) if expected is None else expected)
    if not smoothing:
        F.sum(loss).backward()
        np.testing.assert_array_equal(scores.grad.numpy(), np.zeros((N, 4)))


def test_dropout(kernels):
    x = leaf(np.empty((0, 3), np.float32), "cuda" if kernels == "cuda" else "cpu")
    F.dropout(x, 0.5).sum().backward()
    assert x.grad.shape == (0, 3)


def test_convolution_with_tensor_cores(cuda):
    mg.set_float32_matmul_precision("high")
    x, weight = leaf(np.empty((0, 3, 4, 4), np.float32), "cuda"), np.ones((4, 3, 2, 2), np.float32)
    weight = leaf(weight, "cuda")
    F.conv2d(x, weight).sum().backward()
    assert x.grad.shape == x.shape and not weight.grad.numpy().any()
