"""PyTorch's own sample inputs, for the operations that both have: right or refused, never wrong.

They are those by which PyTorch tests its operations (`op_db`), with dimensions, sizes and options
that nobody here would think of. A sample is right where shape, type, values and gradients are
PyTorch's, and refused where TypeError or ValueError names the function.
"""

import contextlib
import importlib
import sys
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")

# The samples of other versions are compared, too, but they are others in number.
COUNTED_WITH = "2.13"
# name (and variant) in PyTorch: name in minigrad.functional, samples that are right and refused
COUNTS = {
    "add": ("add", 9, 2),
    "sub": ("subtract", 9, 2),
    "mul": ("multiply", 9, 0),
    "div no_rounding_mode": ("divide", 9, 0),
    "div trunc_rounding": ("divide", 0, 9),
    "div floor_rounding": ("divide", 0, 9),
    "neg": ("negative", 1, 0),
    "pow": ("pow", 9, 0),
    "exp": ("exp", 3, 0),
    "log": ("log", 3, 0),
    "sqrt": ("sqrt", 1, 0),
    "tanh": ("tanh", 1, 0),
    "sigmoid": ("sigmoid", 3, 0),
    "nn.functional.relu": ("relu", 4, 0),
    "sum": ("sum", 20, 0),
    "mean": ("mean", 20, 0),
    "amax": ("max", 20, 0),
    "reshape": ("reshape", 7, 0),
    "flatten": ("flatten", 6, 0),
    "permute": ("permute", 4, 0),
    "transpose": ("transpose", 8, 0),
    "__getitem__": ("getitem", 16, 0),
    "cat": ("concatenate", 8, 1),
    "nn.functional.pad constant": ("pad", 47, 4),
    "nn.functional.pad reflect": ("pad", 0, 12),
    "nn.functional.pad replicate": ("pad", 0, 12),
    "nn.functional.pad circular": ("pad", 0, 8),
    "matmul": ("matmul", 15, 0),
    "nn.functional.linear": ("linear", 18, 0),
    "nn.functional.conv2d": ("conv2d", 30, 0),
    "nn.functional.max_pool2d": ("max_pool2d", 720, 720),
    "nn.functional.avg_pool2d": ("avg_pool2d", 4, 3),
    "nn.functional.adaptive_avg_pool2d": ("adaptive_avg_pool2d", 10, 0),
    "nn.functional.local_response_norm": ("local_response_norm", 11, 0),
    "nn.functional.dropout": ("dropout", 13, 6),
    "softmax": ("softmax", 7, 0),
    "softmax with_dtype": ("softmax", 0, 7),
    "log_softmax": ("log_softmax", 7, 0),
    "log_softmax with_dtype": ("log_softmax", 0, 7),
    "nn.functional.cross_entropy": ("cross_entropy", 21, 0),
}
# Arguments that do not exist here, with the values that change nothing.
DEFAULTS = {"return_indices": False, "rounding_mode": None, "size_average": None, "reduce": None}


@pytest.fixture(scope="module")
def op_db():
    """The operations by name and variant."""
    for package in ("torch", "expecttest"):
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # These modules read the command line, which is that of pytest here.
        patch.setattr(sys, "argv", sys.argv[:1])
        warnings.simplefilter("ignore")
        name = "torch.testing._internal.common_methods_invocations"
        operations = importlib.import_module(name).op_db
    return {f"{op.name} {op.variant_test_name}".strip(): op for op in operations}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COUNTS)
def test_samples_are_right_or_refused(name, dtype, op_db, torch, rng):
    function, *expected = COUNTS[name]
    torch.manual_seed(0)
    samples = list(op_db[name].sample_inputs("cpu", getattr(torch, dtype), requires_grad=True))
    right, refused, wrong = 0, 0, []
    for sample in samples:
        try:
            compare(function, op_db[name], sample, torch, rng)
            right += 1
        except (TypeError, ValueError) as error:
            refused += 1
            if f"{function}" not in str(error):
                wrong.append(f"{error!r} for {sample}")
        except AssertionError as error:
            wrong.append(f"{error} for {sample}")
    assert not wrong, "\n".join(wrong)
    if torch.__version__.startswith(COUNTED_WITH):
        assert [right, refused] == expected


def compare(name, operation, sample, torch, rng):
    """AssertionError unless the function gives what PyTorch's operation gives."""
    named = {key: value for key, value in sample.kwargs.items() if not is_default(key, value)}
    theirs = []
    ours, arguments, named = convert((sample.input, list(sample.args), named), theirs, torch)
    output = getattr(F, name)(ours, *arguments, **named)
    if name == "dropout" and named.get("training", True) and 0 < named.get("p", 0.5) < 1:
        return  # random; tests/kernels/test_dropout.py has its distribution
    expected = operation(sample.input, *sample.args, **sample.kwargs)
    assert_equal("output", output.data, expected)
    if not output.requires_grad or not theirs:
        return
    gradient = np.asarray(rng.standard_normal(output.shape), output.dtype)
    output.backward(mg.Tensor(gradient))
    inputs = [tensor for _, tensor in theirs]
    gradients = torch.autograd.grad(expected, inputs, torch.tensor(gradient), allow_unused=True)
    for (x, _), expected in zip(theirs, gradients):
        if expected is None:
            assert x.grad is None or not x.grad.data.any()
        else:
            assert_equal("gradient", x.grad.data, expected)


def is_default(key, value):
    return key in DEFAULTS and value is DEFAULTS[key]


def convert(value, leaves, torch):
    """PyTorch's tensors in `value` as ours; (ours, theirs) of those that require a gradient."""
    if isinstance(value, torch.Tensor):
        tensor = mg.Tensor(value.detach().numpy().copy(), requires_grad=value.requires_grad)
        if value.requires_grad:
            leaves.append((tensor, value))
        return tensor
    if isinstance(value, (list, tuple)):
        return type(value)(convert(part, leaves, torch) for part in value)
    if isinstance(value, dict):
        return {key: convert(part, leaves, torch) for key, part in value.items()}
    return value


def assert_equal(name, array, tensor):
    expected = tensor.detach().numpy()
    assert array.shape == expected.shape and array.dtype == expected.dtype, name
    tolerance = 2e-5 if array.dtype == np.float32 else 1e-11
    with contextlib.suppress(ValueError):  # of the largest of nothing
        tolerance *= max(1, np.abs(expected[np.isfinite(expected)]).max())
    np.testing.assert_allclose(array, expected, rtol=0, atol=tolerance, err_msg=name)
