"""Streams: whoever uses what another stream has to do with must wait for it."""

import numpy as np
import pytest

from tests.cuda_emulator.settings import EmulatorError

CODE = "__global__ void twice(const float* x, float* y) { y[0] = 2 * x[0]; }"


@pytest.fixture
def stream(cupy):
    yield cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()  # for the tests that follow


@pytest.fixture
def x(cupy):
    return cupy.ones(8, np.float32)


def twice(cupy, x):
    module = cupy.RawModule(code=CODE, options=("-std=c++17",), name_expressions=["twice"])
    module.get_function("twice")((1,), (1,), (x, cupy.empty(1, np.float32)))


READS = {
    "operator": lambda cupy, x: x + 1,
    "unary operator": lambda cupy, x: -x,
    "ufunc": lambda cupy, x: cupy.exp(x),
    "function of NumPy": lambda cupy, x: np.exp(x),
    "function": lambda cupy, x: cupy.concatenate([x, x]),
    "method": lambda cupy, x: x.sum(),
    "copy": lambda cupy, x: x.copy(),
    "to the host": lambda cupy, x: x.get(),
    "one element": lambda cupy, x: float(x[0]),
    "selection": lambda cupy, x: x[x > 0],
    "other operand": lambda cupy, x: cupy.empty(8, np.float32).__iadd__(x),
    "source": lambda cupy, x: cupy.copyto(cupy.empty(8, np.float32), x),
    "assigned": lambda cupy, x: cupy.empty(8, np.float32).__setitem__(slice(2, 4), x[:2]),
    "kernel": twice,
    "product": lambda cupy, x: x @ x,
}
WRITES = {
    "in place": lambda cupy, x: x.__iadd__(1),
    "out": lambda cupy, x: cupy.exp(1.0 * cupy.zeros(8, np.float32), out=x),
    "assignment": lambda cupy, x: x.__setitem__(slice(2, 4), 0),
    "fill": lambda cupy, x: x.fill(2),
    "from the host": lambda cupy, x: x.set(np.zeros(8, np.float32)),
    "copyto": lambda cupy, x: cupy.copyto(x, cupy.zeros(8, np.float32)),
}


@pytest.mark.parametrize("name", READS)
def test_reads_what_another_stream_has_written(cupy, stream, x, name):
    with stream, pytest.raises(EmulatorError, match="reads memory that stream 0 writes"):
        READS[name](cupy, x)
    written = cupy.cuda.Stream.null.record()
    with stream:
        stream.wait_event(written)
        READS[name](cupy, x)


@pytest.mark.parametrize("name", WRITES)
def test_writes_what_another_stream_reads(cupy, stream, x, name):
    stream.wait_event(cupy.cuda.Stream.null.record())
    with stream:
        x + 1
    with pytest.raises(EmulatorError, match="on the null stream writes memory that stream"):
        WRITES[name](cupy, x)
    cupy.cuda.Stream.null.wait_event(stream.record())
    WRITES[name](cupy, x)


def test_event_orders_what_was_before_it(cupy, stream, x):
    before = cupy.cuda.Stream.null.record()
    x += 1
    stream.wait_event(before)
    with stream, pytest.raises(EmulatorError, match="reads memory"):
        x + 1


@pytest.mark.parametrize("wait", ["stream", "event", "device", "copy"])
def test_what_the_host_waits_for_is_over(cupy, stream, x, wait):
    if wait == "stream":
        cupy.cuda.Stream.null.synchronize()
    elif wait == "event":
        cupy.cuda.Stream.null.record().synchronize()
    elif wait == "device":
        cupy.cuda.Device().synchronize()
    else:
        cupy.ones(1).get()
    with stream:
        x += 1


def test_two_streams_may_read_and_write_beside_each_other(cupy, stream, x):
    x[:4] += 1
    stream.wait_event(cupy.cuda.Stream.null.record())
    with stream:
        x + 1
        x[4:] += 1
    x[:4] + 1
    with pytest.raises(EmulatorError, match="reads memory"):
        x[3:5] + 1


def test_stream_that_is_not_non_blocking_waits_for_the_null_stream(cupy, x):
    stream = cupy.cuda.Stream()
    with stream:
        x += 1
    x += 1


def test_views_use_no_memory(cupy, stream, x):
    with stream:
        assert x.reshape(2, 4).T[1:].shape == (3, 2)


def test_memory_that_another_stream_still_uses(cupy, stream):
    x = cupy.ones(100_000, np.float32)
    stream.wait_event(cupy.cuda.Stream.null.record())
    with stream:
        x + 1
    del x
    with pytest.raises(EmulatorError, match="memory given back to the pool"):
        cupy.empty(100_000, np.float32)


def test_memory_that_another_stream_has_used(cupy, stream):
    x = cupy.ones(100_000, np.float32)
    stream.wait_event(cupy.cuda.Stream.null.record())
    with stream:
        x + 1
    address = x.data.ptr
    del x
    cupy.cuda.Stream.null.wait_event(stream.record())
    assert cupy.empty(100_000, np.float32).data.ptr == address


def test_memory_belongs_to_a_stream(cupy, stream):
    with stream:
        x = cupy.ones(100_000, np.float32)
        address = x.data.ptr
        del x
    x = cupy.empty(100_000, np.float32)
    assert x.data.ptr != address
    with stream:
        assert cupy.empty(100_000, np.float32).data.ptr == address
