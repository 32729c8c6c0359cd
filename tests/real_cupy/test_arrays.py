"""The stand-in's views are CuPy's, and what CuPy refuses, the stand-in refuses."""

import numpy as np
import pytest

from tests.real_cupy import STAND_IN, cupy, device_arrays

VIEWS = {
    "T": lambda xp, a: a.T,
    "transpose": lambda xp, a: a.transpose(0, 2, 1),
    "transpose by a list": lambda xp, a: a.transpose([2, 0, 1]),
    "transpose no dimension": lambda xp, a: a[0, 0, 0].transpose([]),
    "xp.transpose": lambda xp, a: xp.transpose(a, (1, 0, 2)),
    "swapaxes": lambda xp, a: a.swapaxes(-1, -2),
    "moveaxis": lambda xp, a: xp.moveaxis(a, 0, -1),
    "reshape": lambda xp, a: a.reshape(6, -1),
    "reshape by a tuple": lambda xp, a: a.reshape((4, 3, 2)),
    "reshape a slice": lambda xp, a: a[:, :2].reshape(2, 2, 2, 2),
    "reshape that copies": lambda xp, a: a.T.reshape(6, 4),
    "reshape strided": lambda xp, a: a[:, :, ::2].reshape(2, 6),
    "ravel": lambda xp, a: a.ravel(),
    "ravel that copies": lambda xp, a: a.T.ravel(),
    "squeeze": lambda xp, a: a[:1].squeeze(0),
    "expand_dims": lambda xp, a: xp.expand_dims(a, 1),
    "new axes": lambda xp, a: a[None, ..., None],
    "element": lambda xp, a: a[1, 2, 3],
    "row": lambda xp, a: a[1],
    "last column": lambda xp, a: a[..., -1],
    "every second": lambda xp, a: a[:, :, ::2],
    "backwards": lambda xp, a: a[::-1, :, ::-1],
    "nothing": lambda xp, a: a[1:1],
    "one of a dimension": lambda xp, a: a[:1, :, 1:2],
    "one column": lambda xp, a: a[:, :1],
    "as bytes": lambda xp, a: a.view(np.uint8),
    "as wider numbers": lambda xp, a: a.view(np.float64),
    "as other numbers": lambda xp, a: a.T.view(np.int32),
    "broadcast": lambda xp, a: xp.broadcast_to(a, (5, 2, 3, 4)),
    "broadcast of one": lambda xp, a: xp.broadcast_to(a[:, :1], (2, 3, 4)),
    "ascontiguousarray": lambda xp, a: xp.ascontiguousarray(a),
    "ascontiguousarray of a slice": lambda xp, a: xp.ascontiguousarray(a[1:]),
    "ascontiguousarray that copies": lambda xp, a: xp.ascontiguousarray(a.T),
    "copy": lambda xp, a: a.copy(),
    "sum": lambda xp, a: a.sum(axis=(0, 1), keepdims=True),
}


def described(make, xp, base):
    """A view by all that a kernel may depend on; "computed" for what needs a device."""
    try:
        result = make(xp, base)
    except cupy.cuda.runtime.CUDARuntimeError:
        return "computed"
    if result.size and not xp.may_share_memory(base, result):
        return "computed"
    # The stride of a dimension of one is never used.
    strides = [stride for stride, size in zip(result.strides, result.shape) if size > 1]
    offset = result.data.ptr - base.data.ptr if result.size else 0
    flags = result.flags.c_contiguous, result.flags.f_contiguous
    return result.shape, result.dtype, result.size and strides, offset, flags


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_view_is_that_of_cupy(make):
    ours, theirs, _ = device_arrays()
    assert described(make, STAND_IN, ours) == described(make, cupy, theirs)


REFUSED = {
    "set a list": lambda xp, d, h: d.set(h.tolist()),
    "set another type": lambda xp, d, h: d.set(h.astype(np.float64)),
    "set another shape": lambda xp, d, h: d.set(h[0]),
    "set what is not contiguous": lambda xp, d, h: d[:, ::2].set(h[:, ::2]),
    "assign NumPy's array": lambda xp, d, h: d.__setitem__(0, h[0]),
    "assign a list": lambda xp, d, h: d.__setitem__((0, 0), [1, 2, 3, 4]),
    "fill with an array": lambda xp, d, h: d.fill(h),
    "convert": lambda xp, d, h: np.asarray(d),
    "convert to a scalar of NumPy": lambda xp, d, h: np.float32(d[0, 0, 0]),
    "use as an index": lambda xp, d, h: range(d.view(np.int32)[0, 0, 0]),
    "hash": lambda xp, d, h: hash(d),
    "truth of many": lambda xp, d, h: bool(d),
    "item of many": lambda xp, d, h: d.item(),
    "item by its index": lambda xp, d, h: d.item(0),
    "length of no dimension": lambda xp, d, h: len(d[0, 0, 0]),
    "index too large": lambda xp, d, h: d[2],
    "too many indices": lambda xp, d, h: d[0, 0, 0, 0],
    "reshape to another size": lambda xp, d, h: d.reshape(5, 5),
    "two unknown sizes": lambda xp, d, h: d.reshape(-1, -1),
    "an axis twice": lambda xp, d, h: d.transpose(0, 0, 1),
    "too few axes": lambda xp, d, h: d.transpose(1, 0),
    "axis too large": lambda xp, d, h: d.sum(axis=3),
    "view of columns as wider numbers": lambda xp, d, h: d.T.view(np.float64),
    "broadcast to another size": lambda xp, d, h: xp.broadcast_to(d, (2, 3, 5)),
    "squeeze more than one": lambda xp, d, h: d.squeeze(0),
    "clip on one side": lambda xp, d, h: xp.clip(d, 2),
    "clip by a keyword of NumPy": lambda xp, d, h: d.clip(min=0, dtype=np.float32),
    "sum of some": lambda xp, d, h: d.sum(where=True),
    "sum from a start": lambda xp, d, h: xp.sum(d, initial=1),
    "sum through NumPy of some": lambda xp, d, h: np.sum(d, where=True),
    "elementwise of some": lambda xp, d, h: xp.add(d, d, where=True),
    "elementwise in an order": lambda xp, d, h: xp.exp(d, order="K"),
    "four operands": lambda xp, d, h: xp.add(d, d, d, d),
    "stack with NumPy's": lambda xp, d, h: xp.stack([d, h]),
    "list with NumPy's": lambda xp, d, h: xp.array([d[0], h[0]]),
    "product of NumPy's": lambda xp, d, h: d.dot(h),
    "sum of a list": lambda xp, d, h: xp.sum([1, 2]),
    "pad with an unknown keyword": lambda xp, d, h: xp.pad(d, 1, values=3),
    "where with one choice": lambda xp, d, h: xp.where(d, d),
    "sorting by a name": lambda xp, d, h: d.argsort(kind="quicksort"),
    "out of NumPy": lambda xp, d, h: d.sum(out=h),
    "copy to NumPy's": lambda xp, d, h: xp.copyto(h, d),
    "copy from NumPy's": lambda xp, d, h: xp.copyto(d, h),
    "strings": lambda xp, d, h: xp.empty(2, "U3"),
    "objects": lambda xp, d, h: xp.empty(2, object),
    "dates": lambda xp, d, h: xp.empty(2, "M8[s]"),
    "other order of bytes": lambda xp, d, h: xp.empty(2, ">f4"),
    "array of strings": lambda xp, d, h: xp.array(["a"]),
    "to strings": lambda xp, d, h: d.astype("U3"),
    "negative size": lambda xp, d, h: xp.empty(-1),
    "size with a fraction": lambda xp, d, h: xp.empty(1.5),
    "arange like": lambda xp, d, h: xp.arange(3, like=d),
    "options in a list": lambda xp, d, h: xp.RawModule(code="", options=["-std=c++17"]),
    "options in a text": lambda xp, d, h: xp.RawModule(code="", options="-std=c++17"),
    "source by its position": lambda xp, d, h: xp.RawModule(""),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_what_cupy_refuses_the_stand_in_refuses(use):
    ours, theirs, host = device_arrays()
    for xp, on_device in ((cupy, theirs), (STAND_IN, ours)):
        with pytest.raises(Exception) as raised:
            use(xp, on_device, host)
        assert not isinstance(raised.value, cupy.cuda.runtime.CUDARuntimeError), "needs a device"
