"""Wrong arguments: the exception and what its message says."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from tests.op_cases import CASES


def t(*shape, dtype=np.float32):
    return mg.Tensor(np.ones(shape, dtype), requires_grad=np.dtype(dtype).kind == "f")


IMAGE = (2, 4, 6, 5)
ERRORS = [
    # operands
    (lambda: F.add(t(2), "a"), TypeError, "add: other must be a Tensor, an array or a number, got str"),
    (lambda: t(2, 3) * t(2), ValueError, "multiply: other has shape (2,), which does not broadcast with input shape (2, 3)"),
    (lambda: t(2) / t(2, dtype=np.float64), TypeError, "divide: other is float64, expected float32 as the input; convert one with .to(dtype)"),
    (lambda: t(2) - t(2, dtype=np.int64), TypeError, "subtract: other is int64, expected float32 or float64"),
    (lambda: F.exp(np.ones(2)), TypeError, "exp: input must be a Tensor, got ndarray"),
    (lambda: F.relu(mg.Tensor(np.ones(2, np.float16))), TypeError, "relu: input is float16, expected float32 or float64"),
    (lambda: t(2) ** t(2), TypeError, "pow: exponent must be a number, got Tensor"),
    (lambda: t(2).to(np.int64), TypeError, "to: expected 'cpu', 'cuda', float32 or float64"),
    (lambda: t(2).to("gpu"), TypeError, "to: expected 'cpu', 'cuda', float32 or float64"),
    # dimensions and shapes
    (lambda: F.sum(t(2, 3), dim=2), ValueError, "sum: dim 2 does not exist in shape (2, 3)"),
    (lambda: F.mean(t(2, 3), dim=(0, -2)), ValueError, "mean: dim (0, -2) names a dimension twice"),
    (lambda: F.max(t(2, 3), dim="a"), ValueError, "max: dim a does not exist in shape (2, 3)"),
    (lambda: F.softmax(t(2, 3), dim=-3), ValueError, "softmax: dim -3 does not exist in shape (2, 3)"),
    (lambda: F.reshape(t(2, 3), 4, 2), ValueError, "reshape: shape (2, 3) does not fit into (4, 2)"),
    (lambda: F.reshape(t(2, 3), -1, -1), ValueError, "reshape: shape (2, 3) does not fit into (-1, -1)"),
    (lambda: F.reshape(t(2, 3), -1, 4), ValueError, "reshape: shape (2, 3) does not fit into (-1, 4)"),
    (lambda: F.permute(t(2, 3), 0, 0), ValueError, "permute: dims (0, 0) must name each of 2 dimensions once"),
    (lambda: F.transpose(t(2, 3), 0, 2), ValueError, "transpose: dim 2 does not exist in shape (2, 3)"),
    (lambda: t(2, 3)[2], IndexError, "getitem: index 2 is out of bounds for axis 0 with size 2 (shape (2, 3))"),
    (lambda: F.concatenate([]), ValueError, "concatenate: expected at least one tensor"),
    (lambda: F.concatenate([t(2, 3), t(2, 4)]), ValueError, "concatenate: inputs[1] has shape (2, 4), expected (2, 3) except in dim 0"),
    (lambda: F.flatten(t(2, 3), 1, 0), ValueError, "flatten: start_dim 1 lies behind end_dim 0"),
    (lambda: F.pad(t(2, 3), (1, 1), "reflect"), ValueError, "pad: mode must be 'constant', got 'reflect'"),
    (lambda: F.pad(t(2, 3), (1,)), ValueError, "pad: pad must hold two sizes of at least 0 for each of up to 2 dimensions, got (1,)"),
    (lambda: F.pad(t(2, 3), (1, -1)), ValueError, "pad: pad must hold two sizes of at least 0"),
    (lambda: t(2, 3).item(), ValueError, "item() needs a tensor with one element, this one is (2, 3)"),
    # matrix products
    (lambda: t(2, 3) @ t(2, 3), ValueError, "matmul: other has shape (2, 3), which does not fit input shape (2, 3): expected (..., n, k) @ (..., k, m), or a vector (k,) for either"),
    (lambda: t(3) @ t(2), ValueError, "matmul: other has shape (2,), which does not fit input shape (3,)"),
    (lambda: t() @ t(2), ValueError, "matmul: other has shape (2,), which does not fit input shape ()"),
    (lambda: t(3, 2, 3) @ t(2, 3, 2), ValueError, "matmul: other has shape (2, 3, 2), which does not fit input shape (3, 2, 3)"),
    (lambda: F.linear(t(2, 3, 1), t(4, 3)), ValueError, "linear: input has shape (2, 3, 1), expected (..., 3) for weight shape (4, 3)"),
    (lambda: F.linear(t(2, 3), t(4, 5)), ValueError, "linear: input has shape (2, 3), expected (..., 5) for weight shape (4, 5)"),
    (lambda: F.linear(t(), t(4, 5)), ValueError, "linear: input has shape (), expected (..., 5) for weight shape (4, 5)"),
    (lambda: F.linear(t(2, 3), t(0, 3)), ValueError, "linear: weight of shape (0, 3) is empty"),
    (lambda: F.linear(t(2, 3), t(4, 3), t(3)), ValueError, "linear: bias has shape (3,), expected (4,) for weight shape (4, 3)"),
    # convolution
    (lambda: F.conv2d(t(6, 5), t(3, 4, 2, 2)), ValueError, "conv2d: input has shape (6, 5), expected (N, C, H, W) or (C, H, W)"),
    (lambda: F.conv2d(t(2, 0, 6, 5), t(3, 0, 2, 2)), ValueError, "conv2d: input has shape (2, 0, 6, 5), expected at least one channel and pixel"),
    (lambda: F.conv2d(t(*IMAGE), t(0, 4, 2, 2)), ValueError, "conv2d: weight of shape (0, 4, 2, 2) is empty"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), padding="full"), ValueError, "conv2d: padding must be 'valid', 'same', an integer or a pair, got 'full'"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), stride=2, padding="same"), ValueError, "conv2d: padding='same' needs stride 1, got 2"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), dilation=0), ValueError, "conv2d: dilation must be an integer of at least 1 or a pair of them, got 0"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 3, 2), dilation=(3, 1)), ValueError, "conv2d: window 7x2 with padding 0 does not fit input height 6"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 2, 2, 2)), ValueError, "conv2d: input has 4 channels (shape (2, 4, 6, 5)), expected 2 for weight shape (3, 2, 2, 2) and groups=1"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 2, 2, 2), groups=2), ValueError, "conv2d: weight has 3 output channels (shape (3, 2, 2, 2)), expected a multiple of groups=2"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), groups=0), ValueError, "conv2d: groups must be an integer of at least 1, got 0"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 7, 2)), ValueError, "conv2d: window 7x2 with padding 0 does not fit input height 6 (input shape (2, 4, 6, 5))"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 8), padding=1), ValueError, "conv2d: window 2x8 with padding 1 does not fit input width 5"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), stride=0), ValueError, "conv2d: stride must be an integer of at least 1 or a pair of them, got 0"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), padding=(1, -1)), ValueError, "conv2d: padding must be an integer of at least 0 or a pair of them, got (1, -1)"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), stride=1.5), ValueError, "conv2d: stride must be an integer of at least 1 or a pair of them, got 1.5"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2, dtype=np.float64)), TypeError, "conv2d: weight is float64, expected float32 as the input"),
    (lambda: F.conv2d(t(*IMAGE), t(3, 4, 2, 2), t(4)), ValueError, "conv2d: bias has shape (4,), expected (3,) for weight shape (3, 4, 2, 2)"),
    # pooling
    (lambda: F.max_pool2d(t(1, 3, 2, 5), 3), ValueError, "max_pool2d: window 3x3 with padding 0 does not fit input height 2 (input shape (1, 3, 2, 5))"),
    (lambda: F.avg_pool2d(t(1, 3, 2, 5), (2, 6)), ValueError, "avg_pool2d: window 2x6 with padding 0 does not fit input width 5"),
    (lambda: F.max_pool2d(t(*IMAGE), 3, padding=2), ValueError, "max_pool2d: padding 2 in height is more than half of the window 3x3"),
    (lambda: F.max_pool2d(t(*IMAGE), 0), ValueError, "max_pool2d: kernel_size must be an integer of at least 1 or a pair of them, got 0"),
    (lambda: F.avg_pool2d(t(*IMAGE), 2, stride=(1, 2, 3)), ValueError, "avg_pool2d: stride must be an integer of at least 1 or a pair of them, got (1, 2, 3)"),
    (lambda: F.max_pool2d(t(*IMAGE), 3, dilation=(1, 3)), ValueError, "max_pool2d: window 3x7 with padding 0 does not fit input width 5"),
    (lambda: F.max_pool2d(t(*IMAGE), 3, return_indices=True), TypeError, "max_pool2d() got an unexpected keyword argument 'return_indices'"),
    (lambda: F.max_pool2d(t(6, 5), 3), ValueError, "max_pool2d: input has shape (6, 5), expected (N, C, H, W) or (C, H, W)"),
    (lambda: F.avg_pool2d(t(*IMAGE), 2, divisor_override=0), ValueError, "avg_pool2d: divisor_override must be an integer other than 0, got 0"),
    (lambda: F.adaptive_avg_pool2d(t(*IMAGE), (1, 2, 3)), ValueError, "adaptive_avg_pool2d: output_size must be an integer of at least 1 or a pair of them, got (1, 2, 3)"),
    (lambda: F.adaptive_avg_pool2d(t(*IMAGE), 0), ValueError, "adaptive_avg_pool2d: output_size must be an integer of at least 1"),
    # normalization, dropout, losses
    (lambda: F.local_response_norm(t(*IMAGE), 0), ValueError, "local_response_norm: size must be an integer >= 1, got 0"),
    (lambda: F.local_response_norm(t(*IMAGE), 5, k=0), ValueError, "local_response_norm: need k > 0 and alpha >= 0, got k=0, alpha=0.0001"),
    (lambda: F.local_response_norm(t(2, 3), 5), ValueError, "local_response_norm: input has shape (2, 3), expected at least 3 dimensions"),
    (lambda: F.local_response_norm_max_pool2d(t(*IMAGE), 0, 1, 0.75, 1, 2), ValueError, "local_response_norm_max_pool2d: size must be an integer >= 1, got 0"),
    (lambda: F.local_response_norm_max_pool2d(t(*IMAGE), 5, 1, 0.75, 1, 7), ValueError, "local_response_norm_max_pool2d: window 7x7 with padding 0 does not fit input height 6"),
    (lambda: F.dropout(t(2), 1), ValueError, "dropout: p must be in [0, 1), got 1"),
    (lambda: F.dropout(t(2), -0.5), ValueError, "dropout: p must be in [0, 1), got -0.5"),
    (lambda: F.dropout(t(2), float("nan")), ValueError, "dropout: p must be in [0, 1), got nan"),
    (lambda: F.cross_entropy(t(2, 3), [0.0, 1.0]), TypeError, "cross_entropy: target is float64 of shape (2,), expected integer class labels, or probabilities of the input's shape (2, 3)"),
    (lambda: F.cross_entropy(t(2, 3), t(2, 3, dtype=np.float64)), TypeError, "cross_entropy: target is float64, expected float32 as the input"),
    (lambda: F.cross_entropy(t(), 0), ValueError, "cross_entropy: input has shape (), expected (C,), (N, C) or (N, C, d1, ...) with at least one class"),
    (lambda: F.cross_entropy(t(2, 0), [0, 0]), ValueError, "cross_entropy: input has shape (2, 0), expected (C,), (N, C) or (N, C, d1, ...) with at least one class"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1], t(2)), ValueError, "cross_entropy: weight has shape (2,), expected (3,) for input shape (2, 3)"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1], t(3)), ValueError, "cross_entropy: weight must not require a gradient: use detach()"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1], reduction="avg"), ValueError, "cross_entropy: reduction must be 'none', 'mean' or 'sum', got 'avg'"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1], label_smoothing=1.5), ValueError, "cross_entropy: label_smoothing must be in [0, 1], got 1.5"),
    (lambda: F.cross_entropy(t(2, 3), [0, -1], ignore_index=0), ValueError, "cross_entropy: target has labels from -1 to -1, expected 0 to 2"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1], ignore_index=None), TypeError, "cross_entropy: ignore_index must be an integer, got NoneType"),
    (lambda: F.cross_entropy(t(2, 3), [0, 1, 2]), ValueError, "cross_entropy: target has shape (3,), expected (2,) for input shape (2, 3)"),
    (lambda: F.cross_entropy(t(2, 3), [0, 3]), ValueError, "cross_entropy: target has labels from 0 to 3, expected 0 to 2"),
    (lambda: F.cross_entropy(t(2, 3), [-1, 2]), ValueError, "cross_entropy: target has labels from -1 to 2, expected 0 to 2"),
    # tensors and backward
    (lambda: mg.Tensor(t(2)), TypeError, "Tensor(array) takes an array, got a Tensor: use its .data or detach()"),
    (lambda: mg.Tensor(np.arange(3), requires_grad=True), TypeError, "only float tensors can require a gradient, got int64"),
    (lambda: mg.Tensor(np.ones(1)).backward(), RuntimeError, "this tensor does not depend on anything with requires_grad=True"),
    (lambda: t(2, 3).backward(), ValueError, "backward() of a tensor of shape (2, 3) needs gradient= of that shape"),
    (lambda: t(2, 3).backward(t(3, 2)), ValueError, "backward(): gradient has shape (3, 2), expected (2, 3)"),
    (lambda: t(2).backward(t(2, dtype=np.float64)), TypeError, "backward(): gradient is float64, expected float32"),
    (lambda: len(mg.Tensor(np.float32(1))), TypeError, "len() of a tensor without dimensions"),
    (lambda: mg.manual_seed(-1), ValueError, "manual_seed: seed must be in [0, 2**64), got -1"),
    # layers
    (lambda: mg.nn.Conv2d(3, 4, 3, groups=2), ValueError, "Conv2d: in_channels (3) and out_channels (4) must be divisible by groups (2)"),
    (lambda: mg.nn.Dropout(1.0), ValueError, "Dropout: p must be in [0, 1), got 1.0"),
    (lambda: mg.nn.Module()(t(2)), NotImplementedError, "Module does not define forward()"),
]  # fmt: skip


@pytest.mark.parametrize(
    "call, error, message", ERRORS, ids=[message[:60] for *_, message in ERRORS]
)
def test_error_names_argument_and_expectation(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_unsupported_float_type_is_an_error(case, rng):
    arrays = case.make_inputs(rng, np.float16)
    with pytest.raises(TypeError, match="is float16, expected float32 or float64"):
        case.function(*map(mg.Tensor, arrays))


def test_second_backward():
    loss = (t(2, 3) * t(2, 3)).sum()
    loss.backward()
    with pytest.raises(
        RuntimeError, match="backward through Sum a second time: the graph is freed"
    ):
        loss.backward()


def test_second_backward_through_a_shared_part():
    shared = F.exp(t(2))
    F.sum(shared).backward()
    with pytest.raises(RuntimeError, match="backward through Exp a second time"):
        F.mean(shared).backward()


@pytest.mark.parametrize("elements", [3, 100_000])
def test_saved_array_changed_in_place(elements):
    x = t(elements)
    loss = F.sum(x * x)
    x.data[...] = 5
    with pytest.raises(RuntimeError) as error:
        loss.backward()
    assert str(error.value) == (
        f"Multiply: saved array 0 of shape ({elements},) was changed in place after the forward "
        "pass; its gradient would be wrong. Change a copy, or call backward() first"
    )


def test_relu_in_place_where_its_input_is_needed():
    with pytest.raises(RuntimeError, match="relu: inplace=True would overwrite a leaf"):
        F.relu(t(3), inplace=True)
    needed = F.tanh(mg.Tensor(np.array([-1.0, 2.0]), requires_grad=True))
    with pytest.raises(RuntimeError, match="Tanh: saved array 0 .* was changed in place"):
        F.sum(F.relu(needed, inplace=True)).backward()


def test_function_that_returns_a_gradient_of_the_wrong_shape():
    class Wrong(mg.Function):
        @staticmethod
        def forward(ctx, input):
            return input.sum(axis=0)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output

    with pytest.raises(RuntimeError) as error:
        Wrong.apply(t(2, 3)).backward(t(3))
    assert str(error.value) == (
        "Wrong.backward returned a gradient of shape (3,) and float32 for input 0 of shape "
        "(2, 3) and float32"
    )
