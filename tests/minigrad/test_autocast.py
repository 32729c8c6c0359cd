"""`autocast`: which operations round their factors, what they give, and where it holds."""

import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.kernels.shared import bfloat16 as bf16
from tests import bfloat16
from tests.bfloat16 import is_on
from tests.op_cases import CASES

pytestmark = pytest.mark.usefixtures("one_thread", "bfloat16_supported")

PRODUCTS = {"conv2d", "conv2d_relu", "linear", "matmul"}
PRODUCT_CASES = [case for case in CASES if case.operation in PRODUCTS]
# Largest error of a sum in float32, relative to the largest result.
FLOAT32_TOLERANCE = 1e-5


def result_and_gradients(function, arrays, grad_output=None, forward=True, backward=True):
    """The arrays of a function's result and of its inputs' gradients.

    Args:
        forward, backward: whether each pass is made within `autocast`.
    """
    mg.manual_seed(0)
    inputs = [mg.Tensor(array, requires_grad=True) for array in arrays]
    with mg.autocast(enabled=forward):
        output = function(*inputs)
    if grad_output is None:
        grad_output = np.random.default_rng(1).standard_normal(output.shape)
    with mg.autocast(enabled=backward):
        output.backward(mg.Tensor(np.asarray(grad_output, output.dtype)))
    return [output.data, *(x.grad.data for x in inputs)]


def rounds(function, arrays):
    """Whether a result is another one within `autocast`, that is, whether factors are rounded."""
    outputs = []
    for enabled in (True, False):
        mg.manual_seed(0)
        with mg.autocast(enabled=enabled):
            outputs.append(function(*map(mg.Tensor, arrays)).data)
        assert outputs[-1].dtype == np.float32
    return outputs[0].tobytes() != outputs[1].tobytes()


# -- which operations ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("case", [case for case in CASES if case.torch], ids=lambda case: case.name)
def test_factors_are_rounded_where_pytorch_computes_in_bfloat16(case, torch, rng):
    arrays = case.make_inputs(rng, np.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = case.torch(torch, *map(torch.tensor, arrays))
    assert theirs.dtype in (torch.float32, torch.bfloat16)
    assert rounds(case.function, arrays) == (theirs.dtype == torch.bfloat16)
    assert (case.operation in PRODUCTS) == (theirs.dtype == torch.bfloat16)


@pytest.mark.parametrize("case", [case for case in CASES if not case.torch], ids=lambda c: c.name)
def test_operations_without_an_equal_in_pytorch_round_nothing(case, rng):
    assert not rounds(case.function, case.make_inputs(rng, np.float32))


IMAGES, ROWS = (2, 3, 6, 5), (4, 7)
MODULES = {  # arguments, and the shape of the input
    "AdaptiveAvgPool2d": ((2,), IMAGES),
    "AvgPool2d": ((2,), IMAGES),
    "Conv2d": ((3, 4, 3), IMAGES),
    "CrossEntropyLoss": ((), ROWS),
    "Dropout": ((0.5,), IMAGES),
    "Flatten": ((), IMAGES),
    "Linear": ((7, 3), ROWS),
    "LocalResponseNorm": ((3, 1.0), IMAGES),
    "MaxPool2d": ((2,), IMAGES),
    "ReLU": ((), IMAGES),
    "Sigmoid": ((), IMAGES),
    "Tanh": ((), IMAGES),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_round_where_those_of_pytorch_do(name, torch, rng):
    arguments, shape = MODULES[name]
    array = rng.standard_normal(shape).astype(np.float32)
    target = [np.array([0, 6, 2, 3])] if name == "CrossEntropyLoss" else []
    module, other = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = other(*map(torch.tensor, (array, *target)))
    in_bfloat16 = theirs.dtype == torch.bfloat16
    assert rounds(lambda x: module(x, *target), [array]) == in_bfloat16
    fused = nn.Sequential(nn.Fused(nn.Conv2d(3, 2, 3), nn.ReLU()))
    assert rounds(fused, [rng.standard_normal(IMAGES).astype(np.float32)])


def test_every_module_is_compared():
    others = {"Fused", "Module", "Parameter", "Sequential", "init", "utils"}
    assert MODULES.keys() == set(nn.__all__) - others


# -- results ------------------------------------------------------------------------------


def expected_results(case, arrays, grad_output):
    """Those of rounded factors in float64; the gradient of a bias is a sum, not a product."""
    factors, biases = arrays[:2], arrays[2:]
    rounded = [np.float64(bf16.round_to_bfloat16(array)) for array in factors]
    inputs = rounded + [np.float64(array) for array in biases]
    of_products = result_and_gradients(
        case.function, inputs, np.float64(bf16.round_to_bfloat16(grad_output))
    )
    of_biases = result_and_gradients(case.function, inputs, np.float64(grad_output))
    return [*of_products[:3], *of_biases[3:]]


@pytest.mark.parametrize("case", PRODUCT_CASES, ids=lambda case: case.name)
def test_results_are_those_of_rounded_factors(case, rng):
    """Forward, and both gradients, whose factors are the gradient of the output and the other."""
    arrays = case.make_inputs(rng, np.float32)
    shape = case.function(*map(mg.Tensor, arrays)).shape
    grad_output = np.asarray(rng.standard_normal(shape), np.float32)
    if case.large:  # where the output is nearly zero, rounding decides whether ReLU passes it
        output = expected_results(case, arrays, grad_output)[0]
        grad_output[np.abs(output) <= bfloat16.largest_error(output)] = 0
    results = result_and_gradients(case.function, arrays, grad_output)
    for result, expected in zip(results, expected_results(case, arrays, grad_output), strict=True):
        assert result.dtype == np.float32
        if case.large:
            bfloat16.assert_close(result, expected)
        else:
            error = np.abs(result - expected).max()
            assert error <= FLOAT32_TOLERANCE * np.abs(expected).max()


def test_backward_does_what_forward_did(rng):
    for case in PRODUCT_CASES:
        if case.large:
            continue
        arrays = case.make_inputs(rng, np.float32)
        inside, outside = (
            result_and_gradients(case.function, arrays, forward=True, backward=backward)
            for backward in (True, False)
        )
        plain = result_and_gradients(case.function, arrays, forward=False, backward=True)
        without = result_and_gradients(case.function, arrays, forward=False, backward=False)
        for a, b, c, d in zip(inside, outside, plain, without, strict=True):
            assert a.tobytes() == b.tobytes() and c.tobytes() == d.tobytes()
        for rounded, exact in zip(inside[:3], without[:3]):
            assert rounded.tobytes() != exact.tobytes(), case.name


def test_float64_is_not_touched(rng):
    for case in PRODUCT_CASES:
        if case.large:
            continue
        arrays = case.make_inputs(rng, np.float64)
        results = result_and_gradients(case.function, arrays)
        plain = result_and_gradients(case.function, arrays, forward=False, backward=False)
        for a, b in zip(results, plain, strict=True):
            assert a.dtype == np.float64 and a.tobytes() == b.tobytes()


def test_gradients_are_checked_in_float64(rng):
    inputs = [mg.Tensor(rng.standard_normal(s), requires_grad=True) for s in ((3, 4), (5, 4))]
    with mg.autocast():
        assert mg.gradcheck(F.linear, inputs)


def test_parameters_keep_what_bfloat16_cannot_hold(rng):
    layer = nn.Linear(3, 2)
    before = layer.weight.data.copy()
    with mg.autocast():
        output = layer(mg.Tensor(rng.standard_normal((4, 3)).astype(np.float32)))
    F.sum(output).backward()
    assert layer.weight.data.tobytes() == before.tobytes()
    assert layer.weight.grad.dtype == np.float32


# -- where it holds -----------------------------------------------------------------------


def test_blocks_nest():
    assert not is_on()
    with mg.autocast("bfloat16"):
        assert is_on()
        with mg.autocast("bfloat16", enabled=False):
            assert not is_on()
            with mg.autocast(dtype="bfloat16"):
                assert is_on()
            assert not is_on()
        assert is_on()
        with mg.no_grad():
            assert is_on() and not mg.is_grad_enabled()
    assert not is_on()


def test_a_block_can_be_entered_again():
    block = mg.autocast()
    for _ in range(2):
        with block, block:
            assert is_on()
        assert not is_on()


def test_an_exception_ends_the_block():
    for enabled in (True, False):
        with pytest.raises(ZeroDivisionError), mg.autocast(enabled=enabled):
            raise ZeroDivisionError
        assert not is_on()


def test_other_threads_are_not_concerned():
    found = []

    def look():
        found.append(is_on())
        with mg.autocast():
            found.append(is_on())
        found.append(is_on())

    thread = threading.Thread(target=look)
    with mg.autocast():
        thread.start()
        thread.join()
        assert is_on()
    assert found == [False, True, False]


def test_a_block_can_be_entered_by_several_threads():
    """Each goes on as it was before, in whatever order they enter and leave."""
    block, entered, other_entered = mg.autocast(), threading.Event(), threading.Event()
    found = []

    def look():
        with block:
            entered.set()
            other_entered.wait()
            found.append(is_on())
        found.append(is_on())

    thread = threading.Thread(target=look)
    with mg.autocast():
        thread.start()
        entered.wait()
        with block:
            other_entered.set()
            thread.join()
        found.append(is_on())
    assert found == [True, False, True] and not is_on()


def test_decorated_functions_and_generators():
    @mg.autocast("bfloat16")
    def function():
        "What it says."
        return is_on()

    @mg.autocast()
    def generator():
        yield is_on()
        yield is_on()

    assert function() and function.__doc__ == "What it says."
    for value in generator():
        assert value and not is_on()


def test_a_network_as_in_training(rng):
    """Loss and gradients are near those of float32, and are others."""
    model = nn.Sequential(
        nn.Fused(nn.Conv2d(3, 8, 3), nn.ReLU()), nn.Flatten(), nn.Linear(8 * 4 * 3, 5)
    )
    images = mg.Tensor(rng.standard_normal((6, 3, 6, 5)).astype(np.float32))
    found = []
    for enabled in (True, False):
        model.zero_grad()
        with mg.autocast(enabled=enabled):
            scores = model(images)
        loss = F.cross_entropy(scores, np.arange(6) % 5)
        loss.backward()
        found.append([loss.data, *(p.grad.data for p in model.parameters())])
    for rounded, exact in zip(*found, strict=True):
        assert rounded.tobytes() != exact.tobytes() and rounded.dtype == np.float32
        # Of three layers forward and backward.
        limit = 6 * 2 * bf16.UNIT_ROUNDOFF * np.abs(exact).max()
        assert np.abs(rounded - exact).max() < limit


# -- what is said -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (("float16",), ValueError, "autocast: expected dtype 'bfloat16', got 'float16'"),
        (("cpu",), ValueError, "autocast: expected dtype 'bfloat16', got 'cpu'"),
        ((np.float32,), ValueError, "autocast: expected dtype 'bfloat16', got <class"),
        ((None,), ValueError, "autocast: expected dtype 'bfloat16', got None"),
        (("bfloat16", 1), TypeError, "autocast: enabled must be True or False, got 1"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error) as caught:
        mg.autocast(*arguments)
    assert str(caught.value).startswith(message)


def test_a_processor_without_the_instruction(monkeypatch):
    monkeypatch.setattr(bf16, "SUPPORTED", False)
    a = mg.tensor([[1.0, 2.0]])
    message = "need a processor with the instructions avx512_bf16, .*MINIGRAD_BF16_EMULATE=1"
    with mg.autocast():
        for function in (F.matmul, F.linear):
            with pytest.raises(mg.BackendError, match=message):
                function(a, a.T if function is F.matmul else a)
        assert (a * a).shape == a.shape
        F.matmul(a.to(np.float64), a.T.to(np.float64))
        with mg.autocast(enabled=False):
            assert not is_on()
