"""The stand-in's arrays are as strict as CuPy's, and compute what NumPy computes."""

import sys

import numpy as np
import pytest

from tests import cuda_emulator


@pytest.fixture
def x(cupy):
    return cupy.asarray(np.arange(12, dtype=np.float32).reshape(3, 4))


# ---- strictness ----

MIXTURES = {
    "device + host": lambda cupy, d, h: d + h,
    "host + device": lambda cupy, d, h: h + d,
    "device += host": lambda cupy, d, h: d.__iadd__(h),
    "host += device": lambda cupy, d, h: h.__iadd__(d),
    "comparison": lambda cupy, d, h: d == h,
    "assignment": lambda cupy, d, h: d.__setitem__(0, h[0]),
    "index": lambda cupy, d, h: d[np.array([0, 1])],
    "function": lambda cupy, d, h: cupy.maximum(d, h),
    "matmul": lambda cupy, d, h: cupy.matmul(d, h),
    "out": lambda cupy, d, h: cupy.exp(d, out=h),
    "out of NumPy": lambda cupy, d, h: np.exp(d, out=h),
    "list": lambda cupy, d, h: cupy.concatenate([d, h]),
    "copyto": lambda cupy, d, h: cupy.copyto(d, h),
    "where": lambda cupy, d, h: cupy.where(d > 0, d, h),
    "host only": lambda cupy, d, h: cupy.sum(h),
    "list only": lambda cupy, d, h: cupy.sum([1, 2]),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_host_and_device_do_not_mix(cupy, x, name):
    with pytest.raises(TypeError):
        MIXTURES[name](cupy, x, x.get())


# What NumPy takes and CuPy does not.
NUMPY_ONLY = {
    "keyword of a function": (TypeError, lambda cupy, d: cupy.sum(d, initial=1)),
    "keyword of a method": (TypeError, lambda cupy, d: d.sum(where=True)),
    "keyword of an elementwise function": (TypeError, lambda cupy, d: cupy.exp(d, where=True)),
    "keyword through NumPy": (TypeError, lambda cupy, d: np.sum(d, initial=1)),
    "number + list": (TypeError, lambda cupy, d: d + [1, 2, 3, 4]),
    "list of an elementwise function": (TypeError, lambda cupy, d: cupy.add(d, [1, 2, 3, 4])),
    "assignment of a list": (TypeError, lambda cupy, d: d.__setitem__(0, [1, 2, 3, 4])),
    "list of both": (TypeError, lambda cupy, d: cupy.array([d[0], [1, 2, 3, 4]])),
    "use as an index": (TypeError, lambda cupy, d: range(cupy.asarray(d, np.int32)[0, 0])),
    "strings": (ValueError, lambda cupy, d: cupy.array(["a"])),
    "negative size": (ValueError, lambda cupy, d: cupy.empty((2, -1))),
}


@pytest.mark.parametrize("error, use", NUMPY_ONLY.values(), ids=NUMPY_ONLY)
def test_what_only_numpy_takes_is_refused(cupy, x, error, use):
    with pytest.raises(error):
        use(cupy, x)


def test_nothing_is_converted_without_being_asked(x):
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.array([x[0], x[1]])
    with pytest.raises(TypeError):
        hash(x)


def test_what_is_not_modelled_is_missing_by_name(cupy):
    with pytest.raises(AttributeError, match="'linalg'"):
        _ = cupy.linalg
    with pytest.raises(AttributeError, match="'ElementwiseKernel'"):
        _ = cupy.ElementwiseKernel
    with pytest.raises(AttributeError):
        _ = cupy.empty(3).__array_interface__
    with pytest.raises(AttributeError, match="'at'"):
        _ = cupy.add.at  # atomic additions: its sums would differ from run to run
    with pytest.raises(TypeError):
        np.add.at(cupy.zeros(3), [0, 0], cupy.ones(2))


def test_get_and_set_check_shape_and_type(cupy, x):
    with pytest.raises(TypeError):
        x.set(x)
    with pytest.raises(TypeError):
        x.set(np.zeros((3, 4)))
    with pytest.raises(ValueError):
        x.set(np.zeros((4, 3), np.float32))
    with pytest.raises(RuntimeError):
        x[:, ::2].set(np.zeros((3, 2), np.float32))
    with pytest.raises(TypeError):
        x.get(out=np.zeros((3, 4)))
    with pytest.raises(ValueError):
        x.get(out=np.zeros(12, np.float32))
    host = np.full((3, 4), 5, np.float32)
    x.set(host)
    host[:] = 6
    assert (x.get() == 5).all()
    assert x.get(out=host) is host and (host == 5).all()


# ---- manners ----


def test_reductions_and_elements_stay_on_the_device(cupy, x):
    for result in (x.sum(), x.max(), x.argmax(), cupy.mean(x), x[1, 2], (x > 3).all()):
        assert isinstance(result, cupy.ndarray) and result.shape == ()
    assert float(x.sum()) == 66 and int(x.argmax()) == 11 and x[1, 2].item() == 6
    assert f"{x[0, 1]:.2f}" == "1.00"
    assert isinstance(cupy.array_equal(x, x), cupy.ndarray)


def test_an_element_is_a_view(x):
    element = x[1, 2]
    element[...] = 100
    row = x[0]
    row += 1
    assert x.get()[1, 2] == 100 and x.get()[0].tolist() == [1, 2, 3, 4]
    assert [row.sum().item() for row in x] == [10, 4 + 5 + 100 + 7, 38]


def test_scalars_of_python_and_numpy(x):
    assert (2 * x + 1).dtype == np.float32
    assert (np.float32(2) * x).get()[0, 1] == 2
    assert (np.float64(2) * x).dtype == np.float64  # as in CuPy 14, which follows NEP 50
    assert (x / 2 > 1).dtype == np.bool_


def test_in_place_operators_keep_the_array(cupy, x):
    before, address = x, x.data.ptr
    x += 1
    x *= x
    cupy.multiply(x, 2, out=x)
    cupy.maximum(x, 10.0, out=x)
    assert x is before and x.data.ptr == address
    assert x.get()[0].tolist() == [10, 10, 18, 32]


def test_views_share_memory_and_copies_do_not(cupy, x):
    views = [x.T, x.reshape(4, 3), x.ravel(), x[1:], x.view(np.int32), x.swapaxes(0, 1), x[:, None]]
    views += [cupy.asarray(x), cupy.broadcast_to(x, (2, 3, 4)), cupy.moveaxis(x, 0, 1)]
    assert all(cupy.shares_memory(x, view) for view in views)
    copies = [x.copy(), x.astype(np.float32), cupy.array(x), x.T.reshape(12), x + 0]
    assert not any(cupy.may_share_memory(x, copy) for copy in copies)
    assert cupy.asarray(x) is x and cupy.ascontiguousarray(x) is x
    assert cupy.ascontiguousarray(x.T).flags.c_contiguous


def test_like_functions_keep_the_layout(cupy):
    channels_last = cupy.zeros((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    for like in (cupy.empty_like, cupy.zeros_like, cupy.ones_like):
        assert like(channels_last).strides == channels_last.strides
    assert cupy.full_like(channels_last, 3, dtype=np.int32).get().sum() == 3 * 120


RESULTS = {
    "operator": lambda cupy, x: x + x,
    "operator with a scalar": lambda cupy, x: 2 * x,
    "comparison": lambda cupy, x: x > 0,
    "negation": lambda cupy, x: -x,
    "ufunc": lambda cupy, x: cupy.exp(x),
    "ufunc of NumPy": lambda cupy, x: np.exp(x),
    "clip": lambda cupy, x: x.clip(0, 1),
    "round": lambda cupy, x: x.round(),
    "where": lambda cupy, x: cupy.where(x > 0, x, 0),
    "reduction": lambda cupy, x: x.sum(1, keepdims=True),
    "argmax": lambda cupy, x: cupy.argmax(x, 0),
    "cumulative sum": lambda cupy, x: x.cumsum(1),
    "concatenation": lambda cupy, x: cupy.concatenate([x, x]),
    "stack": lambda cupy, x: cupy.stack([x, x]),
    "product": lambda cupy, x: cupy.matmul(x, x.swapaxes(-1, -2)),
    "selection": lambda cupy, x: x[:, cupy.asarray([0, 2])],
    "take": lambda cupy, x: x.take(cupy.asarray([1, 0]), 1),
    "copy": lambda cupy, x: x.copy(),
}


@pytest.mark.parametrize("axes", [(3, 2, 1, 0), (0, 3, 1, 2)])
@pytest.mark.parametrize("name", RESULTS)
def test_results_are_contiguous_whatever_the_operands_are(cupy, name, axes):
    x = cupy.ones((3, 4, 5, 6), np.float32).transpose(axes)
    result = RESULTS[name](cupy, x)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result.get(), _on_host(RESULTS[name], x))


def _on_host(function, x):
    class OnHost:
        def __getattr__(self, name):
            return getattr(np, name)

    return function(OnHost(), x.get())


def test_what_keeps_the_layout(cupy):
    channels_last = cupy.ones((2, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    part, strides = channels_last[:, :2], (160, 4, 40, 8)
    assert channels_last.astype(np.int32).strides == channels_last.strides
    assert part.astype(np.float32).strides == cupy.array(part).strides == strides
    assert part.copy("K").strides == cupy.empty_like(part).strides == strides
    assert cupy.asarray(part, np.float64).strides == tuple(2 * stride for stride in strides)
    assert cupy.asarray(part) is part
    assert part.astype(np.int32, "C").flags.c_contiguous
    assert cupy.asarray(part, order="C").flags.c_contiguous
    # Of a NumPy array Fortran's order is kept, no other; so does padding.
    assert cupy.asarray(channels_last.get().transpose(0, 2, 3, 1)).flags.c_contiguous
    fortran = cupy.asarray(np.ones((2, 3)).T)
    assert fortran.flags.f_contiguous and cupy.pad(fortran, 1).flags.f_contiguous
    assert cupy.pad(channels_last, 1).flags.c_contiguous


def test_functions_compute_what_numpys_do(cupy, x):
    h = x.get()
    pairs = [
        (cupy.concatenate([x, x], axis=1), np.concatenate([h, h], 1)),
        (cupy.stack([x, x]), np.stack([h, h])),
        (cupy.pad(x, ((1, 0), (0, 2))), np.pad(h, ((1, 0), (0, 2)))),
        (cupy.where(x > 5, x, 0), np.where(h > 5, h, 0)),
        (cupy.matmul(x, x.T), h @ h.T),
        (x @ x.T, h @ h.T),
        (cupy.sqrt(cupy.square(x)), h),
        (cupy.clip(x, 2, 5), np.clip(h, 2, 5)),
        (cupy.argsort(-x, axis=1), np.argsort(-h, 1)),
        (cupy.searchsorted(x[1], x[1]), np.arange(4)),
        (cupy.expand_dims(x, 0), h[None]),
        (cupy.take_along_axis(x, cupy.argmax(x, 1)[:, None], 1), h[:, 3:]),
        (cupy.arange(3, dtype=np.int32), np.arange(3, dtype=np.int32)),
        (cupy.full((2,), 3.5), np.full(2, 3.5)),
        (np.exp(x), np.exp(h)),
        (np.concatenate([x, x]), np.concatenate([h, h])),
    ]
    for ours, expected in pairs:
        assert isinstance(ours, cupy.ndarray)
        assert ours.dtype == expected.dtype
        np.testing.assert_allclose(ours.get(), expected, rtol=1e-6)


def test_empty_is_poisoned(cupy):
    assert np.isnan(cupy.empty((2, 3), np.float32).get()).all()
    assert (cupy.empty(4, np.int32).get() == -1).all()
    assert cupy.empty((0, 3)).data.ptr == 0


# ---- the rest of the module ----


def test_streams_events_and_devices(cupy):
    stream = cupy.cuda.Stream(non_blocking=True)
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    with stream:
        assert cupy.cuda.get_current_stream() is stream
        begin.record()
        end.record(stream)
        stream.wait_event(end)
    assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
    assert not end.done  # it takes as long as it may
    end.synchronize()
    assert end.done and not begin.done and cupy.cuda.get_elapsed_time(begin, end) >= 0
    cupy.cuda.Device().synchronize()
    assert begin.done and cupy.cuda.Event().done
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        cupy.cuda.get_elapsed_time(cupy.cuda.Event(disable_timing=True), end)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        cupy.cuda.Device(1).use()
    with cupy.cuda.Device() as device:
        free, total = device.mem_info
        assert 0 < free <= total and int(device.compute_capability) >= 80


def test_pinned_memory_is_a_buffer(cupy):
    memory = cupy.cuda.alloc_pinned_memory(100)
    host = np.frombuffer(memory, np.float32, 25)
    host[:] = 3
    device = cupy.empty(25, np.float32)
    device.set(host)
    assert device.sum().item() == 75


def test_install_and_uninstall(monkeypatch):
    names = ("cupy", *cuda_emulator.device_api.MODULES)
    for name in names:  # of the tests before, or of a real CuPy
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = cuda_emulator.install()
    import cupy

    assert cupy is module is cuda_emulator.install()
    cuda_emulator.uninstall()
    assert not sys.modules.keys() & set(names)
