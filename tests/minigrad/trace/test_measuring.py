"""Every kernel of every family is recorded, with the right bytes, FLOPs and formats."""

import inspect
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, nn
from minigrad import functional as F
from minigrad.kernels import cpu, reference
from minigrad.trace import measuring
from tests.kernels.test_arguments import CALLS, TYPES, TYPES_OF_KERNELS
from tests.kernels.test_flops import FLOPS
from tests.minigrad.trace.networks import Step, network

UPDATED = {
    "adam.update": {"parameter", "first_moment", "second_moment"},
    "lerp.update": {"start"},
    "sgd.update": {"parameter", "velocity"},
}


def arguments_of(kernel, device):
    """Arrays on a device, and the other arguments, by name."""
    shapes, others = CALLS[kernel]
    arrays = {}
    for name, shape in shapes.items():
        dtype = TYPES_OF_KERNELS.get((kernel, name), TYPES.get(name, "float32"))
        arrays[name] = device.asarray(np.ones(shape, dtype))
    if kernel == "prepare_images.forward_enlarged":
        for name in ("places", "first"):
            arrays[name][...] = 0
    return arrays, others


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda":
        return request.getfixturevalue("cuda")
    return backend.get("cpu")


@pytest.mark.parametrize("kernel", CALLS)
def test_every_kernel_is_recorded(kernel, device):
    family, function = kernel.split(".")
    arrays, others = arguments_of(kernel, device)
    own = getattr(getattr(device.kernels, family), function)
    parameters = inspect.signature(own).parameters
    named = {name: parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in arrays}
    by_position = [
        arrays.get(name, others.get(name))
        for name, parameter in parameters.items()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    with mg.trace() as t:
        stand_in = getattr(getattr(device.kernels, family), function)
        stand_in(
            *by_position, **{name: arrays[name] for name, is_output in named.items() if is_output}
        )

    (call,) = t.calls
    work = call.work
    updated = UPDATED.get(kernel, set())
    assert (work.device, work.operation, work.flops) == (device.name, kernel, FLOPS[kernel])
    assert {a.name: (a.shape, a.dtype, a.nbytes) for a in work.arrays} == {
        name: (array.shape, str(array.dtype), array.size * array.dtype.itemsize)
        for name, array in arrays.items()
    }
    assert work.bytes == sum(a.nbytes for a in arrays.values()) + sum(
        arrays[name].nbytes for name in updated
    )
    is_output = {name for name, output in named.items() if output}
    assert {array.name for array in work.written} == is_output | updated
    assert call.seconds > 0 and call.gflops == pytest.approx(FLOPS[kernel] / call.seconds / 1e9)
    least = max(FLOPS[kernel] / 100e9, work.bytes / 10e9)
    assert call.share_of_limit == pytest.approx(least / call.seconds)


def test_memory_formats(device):
    images = device.asarray(np.zeros((2, 4, 6, 5), np.float32))
    weight = device.asarray(np.zeros((3, 5, 2, 2), np.float32))
    output = device.asarray(np.zeros((2, 3, 5, 3), np.float32))
    with mg.trace() as t:
        kernels = device.kernels
        kernels.conv2d.forward(images, weight, None, (1, 1), (0, 0), 1, output=output)
        kernels.relu.forward(output, output=output)
        kernels.dropout.forward(images, 0.5, (0, 0), 0, output=images)
        norm = device.asarray(np.zeros(1))
        kernels.vector_norm.forward(weight, output=norm)
    formats = [{a.name: a.memory_format for a in call.work.arrays} for call in t.calls]
    last, order = "channels last", "C order"
    assert formats[0] == {"input": last, "weight": order, "output": last}
    assert formats[1] == {"input": last, "output": last}
    assert formats[2] == {"input": order, "output": order}
    assert formats[3] == {"input": order, "output": order}
    assert t.calls[1].work.bytes == 2 * output.nbytes, "read and written, though one array"
    assert str(t.calls[0].work.arrays[0]) == "2x4x6x5 float32, channels last"


def test_precision(device):
    single, double = (device.asarray(np.ones((2, 2), dtype)) for dtype in ("f4", "f8"))
    with mg.trace() as t:
        for array in (single, double):
            device.kernels.linear.forward(array, array, None, output=array.copy())
        if device.name == "cpu":
            bf16 = {"output": single.copy(), "bfloat16": True}
            device.kernels.linear.forward(single, single, None, **bf16)
        else:
            mg.set_float32_matmul_precision("high")
            device.kernels.linear.forward(single, single, None, output=single.copy())
            mg.set_float32_matmul_precision("highest")
    last = "bfloat16" if device.name == "cpu" else "tf32"
    assert [call.work.precision for call in t.calls] == ["float32", "float64", last]


def test_kernels_are_the_module_again_after_the_block():
    device = backend.get("cpu")
    assert device.kernels is cpu
    with mg.trace():
        assert device.kernels is not cpu
    assert device.kernels is cpu
    with pytest.raises(KeyError), mg.trace():
        raise KeyError
    assert device.kernels is cpu and not measuring.running


def test_a_backend_that_is_connected_within_the_block(monkeypatch):
    fresh = backend.Backend()
    monkeypatch.setattr(backend, "_cpu", fresh)
    with mg.trace() as t:
        F.relu(mg.tensor([1.0]))
        assert fresh.kernels is not cpu
    assert len(t.calls) == 1 and fresh.kernels is cpu


def test_kernels_that_somebody_has_replaced_meanwhile_stay(monkeypatch):
    device = backend.get("cpu")
    monkeypatch.setattr(device, "kernels", cpu)
    with mg.trace():
        stand_in, device.kernels = device.kernels, reference
    assert device.kernels is reference

    device.kernels = stand_in  # put back too late
    with mg.trace() as t:
        F.relu(mg.tensor([1.0]))
    assert len(t.calls) == 1


def test_the_reference_kernels_are_recorded_too(monkeypatch):
    monkeypatch.setattr(backend.get("cpu"), "kernels", reference)
    with mg.trace() as t:
        nn.Conv2d(2, 3, 2)(mg.Tensor(np.ones((1, 2, 3, 3), np.float32)))
    (call,) = t.calls
    assert call.work.flops == 2 * math.prod((3, 4, 2, 4)) and call.work.algorithm == ""


def test_a_stand_in_that_somebody_has_kept_calls_the_kernel():
    x = np.array([-1.0, 1.0], np.float32)
    with mg.trace() as t:
        kept = backend.get("cpu").kernels.relu.forward
    kept(x, output=x)
    assert x.tolist() == [0, 1] and not t.calls


def test_a_kernel_that_raises_is_not_recorded():
    with mg.trace() as t, pytest.raises(ValueError):
        backend.get("cpu").kernels.relu.forward(np.ones(2, "f4"), output=np.ones(3, "f4"))
    assert not t.calls


def test_what_is_not_a_kernel_is_handed_on(cuda):
    with mg.trace():
        assert "relu/cuda.cu" in cuda.kernels.sources()


@pytest.mark.parametrize("options", [{}, {"statistics": True}])
def test_results_have_the_same_bits(options, device):
    mg.manual_seed(0)
    plain = Step(network().to(device.name)).arrays()
    mg.manual_seed(0)
    with mg.trace(**options):
        traced = Step(network().to(device.name)).arrays()
    assert all(map(np.array_equal, plain, traced)) and len(plain) == 9


def test_a_gpu_is_waited_for_before_and_after(cuda, monkeypatch):
    waits = []
    monkeypatch.setattr(type(cuda), "synchronize", lambda self: waits.append(len(t.calls)))
    x = cuda.asarray(np.ones(3, np.float32))
    with mg.trace() as t:
        cuda.kernels.relu.forward(x, output=x)
        assert waits == [0, 0]
        cuda.kernels.relu.forward(x, output=x)
        assert waits == [0, 0, 1, 1]
