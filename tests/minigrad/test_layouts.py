"""Every operation and every optimizer for arrays of any layout: the bits are those of C order."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, nn, optim
from minigrad import functional as F
from tests.layouts import ON_BOTH, ON_CPU
from tests.op_cases import CASES, SMALL_CASES, Case

pytestmark = pytest.mark.usefixtures("one_thread")

LAYOUTS = {"cpu": ON_CPU, "cuda": ON_BOTH}
OPTIMIZERS = [
    optimizer
    for _, optimizer in inspect.getmembers(optim, inspect.isclass)
    if issubclass(optimizer, optim.Optimizer) and optimizer is not optim.Optimizer
]


def laid_out(array, layout, device):
    return layout.view(backend.get(device).asarray(layout.store(array)), array.shape)


def arrays_of(case, rng, dtype=np.float32):
    """Inputs of a type; of float64 where a cast to float32 would be none."""
    return case.make_inputs(rng, np.float64 if case.operation == "to" else dtype)


def result(case, inputs, grad_output):
    """The output and the gradients of all inputs, as bytes; `grad_output` makes an array."""
    tensors = [mg.Tensor(array, requires_grad=True) for array in inputs]
    output = case.function(*tensors)
    if output.is_leaf:  # the operation returned its input
        return [output.numpy().tobytes()]
    output.backward(mg.Tensor(grad_output(output.shape)))
    return [x.numpy().tobytes() for x in (output, *(tensor.grad for tensor in tensors))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("device", LAYOUTS)
@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_operation_gives_the_same_bits_for_every_layout(case, device, dtype, cuda, rng):
    """Inputs and the gradient of the output have the layout.

    Float32 numbers are summed in float64, so that only float64 shows the order of a sum.
    """
    arrays = arrays_of(case, rng, dtype)
    asarray = backend.get(device).asarray

    def gradient(shape):
        return np.random.default_rng(1).standard_normal(shape).astype(arrays[0].dtype)

    expected = result(case, map(asarray, arrays), lambda shape: asarray(gradient(shape)))
    for name, layout in LAYOUTS[device].items():
        found = result(
            case,
            [laid_out(array, layout, device) for array in arrays],
            lambda shape, layout=layout: laid_out(gradient(shape), layout, device),
        )
        assert found == expected, name


@pytest.mark.parametrize("device", LAYOUTS)
@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_operation_takes_arrays_that_repeat_one_number(case, device, cuda, rng):
    """As `broadcast_to` makes them, with strides of 0."""
    xp = backend.get(device).xp
    arrays = [xp.asarray(array) for array in arrays_of(case, rng)]
    repeated = [
        xp.broadcast_to(array[:1], array.shape) if array.ndim else array for array in arrays
    ]
    copies = [xp.array(array, order="C") for array in repeated]
    ones = xp.ones((), arrays[0].dtype)
    found = result(case, repeated, lambda shape: xp.broadcast_to(ones, shape))
    assert found == result(case, copies, lambda shape: xp.ones(shape, arrays[0].dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "function",
    [F.exp, F.log, F.sqrt, F.tanh, F.sigmoid, F.sum, F.mean, F.softmax, F.log_softmax,
     lambda x: F.pow(x, 1.7), lambda x: F.sum(x, 0), lambda x: F.softmax(x, 0),
     lambda x: F.matmul(x, x[:300].T), lambda x: x * x[0], lambda x: x / x[:, :1]],
)  # fmt: skip
def test_long_sums_and_vectors(function, dtype, rng):
    """Where NumPy has other loops for numbers that are adjacent in memory."""
    array = rng.uniform(0.5, 2, (35, 301)).astype(dtype)
    case = Case("", "", function, (), None)

    def gradient(shape):
        return np.random.default_rng(1).standard_normal(shape).astype(dtype)

    expected = result(case, [array], gradient)
    for name, layout in ON_CPU.items():
        odd = laid_out(array, layout, "cpu")
        found = result(
            case, [odd], lambda shape, layout=layout: laid_out(gradient(shape), layout, "cpu")
        )
        assert found == expected, name


@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_operation_on_no_elements_is_defined_or_refused(case, rng):
    arrays = [array[:0] for array in arrays_of(case, rng) if array.ndim]
    try:
        output = case.function(*(mg.Tensor(array, requires_grad=True) for array in arrays))
        output.backward(mg.Tensor(np.ones(output.shape, output.dtype)))
    except (TypeError, ValueError, IndexError) as error:
        assert str(error)


def test_every_operation_and_every_function_is_swept(cuda, rng):
    """A new operation is, as soon as it is in the table of cases."""
    public = {
        name
        for name, function in inspect.getmembers(F, inspect.isfunction)
        if function.__module__ == F.__name__ and not name.startswith("_")
    }
    assert {case.operation for case in SMALL_CASES} == public
    swept = set()
    tensors = [mg.tensor([1.0], requires_grad=True).to("cuda")]
    for case in SMALL_CASES:
        arrays = arrays_of(case, rng)
        tensors.append(case.function(*(mg.Tensor(x, requires_grad=True) for x in arrays)))
    while tensors:
        if (node := tensors.pop()._node) is not None:
            swept.add(node.function)
            tensors.extend(node.inputs)
    functions = {f for f in mg.Function.__subclasses__() if f.__module__.startswith("minigrad.")}
    assert not {function.__name__ for function in functions - swept}
    assert len(SMALL_CASES) > 150 and len(ON_CPU) == 8 and len(CASES) > len(SMALL_CASES)


def steps(optimizer, parameter, gradients):
    """The bytes of a parameter and its state after some steps."""
    options = {} if optimizer is optim.Adam else {"momentum": 0.9}
    optimizer = optimizer([parameter], lr=0.1, weight_decay=0.01, **options)
    for gradient in gradients:
        parameter.grad = mg.Tensor(gradient)
        optimizer.step()
    return [parameter.numpy().tobytes(), *(x.tobytes() for x in optimizer.state_dict().values())]


@pytest.mark.parametrize("device", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parameter_of_any_layout_is_updated_in_place(optimizer, dtype, device, cuda, rng):
    for shape in ((3, 5), (4, 2, 3, 3), (7,), ()):
        values, *gradients = rng.standard_normal((4, *shape)).astype(dtype)
        values, *gradients = map(np.asarray, (values, *gradients))
        asarray = backend.get(device).asarray
        expected = steps(optimizer, nn.Parameter(asarray(values.copy())), map(asarray, gradients))
        for name, layout in LAYOUTS[device].items():
            odd = [laid_out(gradient, layout, device) for gradient in gradients]
            if name == "read-only":
                assert steps(optimizer, nn.Parameter(values.copy()), odd) == expected
                continue
            base = asarray(layout.store(values))
            array = layout.view(base, values.shape)
            parameter = nn.Parameter(array)
            own = parameter.data
            assert steps(optimizer, parameter, odd) == expected, (name, shape)
            assert parameter.data is own, "the array itself is updated"
            updated = backend.get(device).asnumpy(layout.view(base, values.shape))
            assert updated.tobytes() == expected[0], "and so is what it is a view of"
            between = backend.get(device).asnumpy(base)
            if name == "apart":
                assert np.isnan(between).sum() == between.size - values.size, "and nothing else"
