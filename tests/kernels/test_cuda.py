"""The backend "cuda" as a whole: against the CPU, its tensor-core path, its memory, its errors."""

import gc
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import AlexNet, AlexNetOWT
from minigrad import backend, optim
from minigrad import functional as F
from minigrad.kernels import conv2d as conv2d_contract
from minigrad.kernels.conv2d import cuda_implicit_gemm
from minigrad.kernels.local_response_norm import cuda as norm_kernels
from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared import source as sources
from minigrad.kernels.shared.device import device
from tests import cuda_emulator
from tests.kernels.on_device import Kernels, memory_pool_off


def training_step(network, device, dtype, images, labels):
    """Loss, updated parameters and the gradient of the images."""
    mg.manual_seed(0)
    model = network(num_classes=5, image_size=67, width=0.1).to(dtype).to(device)
    optimizer = optim.SGD(model.parameters(), 0.1, 0.9, 1e-3)
    images = mg.Tensor(backend.get(device).asarray(images.astype(dtype)), requires_grad=True)
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return [loss.numpy(), images.grad.numpy(), *model.state_dict().values()]


@pytest.mark.parametrize("network", [AlexNet, AlexNetOWT])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_training_step_is_that_of_the_cpu(network, dtype, tolerance, cuda, rng):
    batch = rng.standard_normal((4, 3, 67, 67)), rng.integers(0, 5, 4)
    expected = training_step(network, "cpu", dtype, *batch)
    for ours, theirs in zip(training_step(network, "cuda", dtype, *batch), expected):
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_one_block_does_the_work_of_all(cuda, rng, monkeypatch):
    """A grid smaller than the work: every kernel goes on to what is left."""
    batch = rng.standard_normal((4, 3, 67, 67)), rng.integers(0, 5, 4)

    def run():
        # AlexNet has no normalization that is not computed with the pooling after it.
        input = mg.Tensor(cuda.asarray(batch[0]), requires_grad=True)
        normalized = F.local_response_norm(input, 5)
        normalized.sum().backward()
        step = training_step(AlexNet, "cuda", np.float32, *batch)
        return [*step, normalized.numpy(), input.grad.numpy()]

    expected = run()
    monkeypatch.setattr(device, "multiprocessors", 0)
    for ours, theirs in zip(run(), expected):
        assert np.array_equal(ours, theirs)


# -- the tensor-core path -----------------------------------------------------------------

CONVOLUTIONS = {
    # input, weight, stride, padding, groups
    "3 channels": ((2, 3, 19, 17), (10, 3, 11, 11), (4, 4), (0, 0), 1),
    "16 bytes at a time": ((2, 8, 9, 7), (12, 8, 3, 3), (1, 1), (1, 1), 1),
    "groups": ((3, 16, 7, 6), (24, 8, 5, 3), (1, 1), (2, 0), 2),
    "groups of odd size": ((1, 9, 6, 5), (15, 3, 3, 2), (2, 1), (1, 1), 3),
    "several tiles of pixels and channels": ((3, 4, 13, 12), (200, 4, 3, 3), (1, 1), (1, 1), 1),
    "96 channels": ((1, 20, 6, 6), (96, 20, 2, 2), (1, 1), (1, 0), 1),
    "one of all": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), (0, 0), 1),
    "a short sum": ((1, 4, 3, 3), (4, 4, 1, 1), (1, 1), (0, 0), 1),
    "padding as wide as the window": ((1, 4, 4, 4), (4, 4, 2, 2), (1, 1), (2, 2), 1),
    "many pixels, so that the sum over them is shared": (
        (9, 4, 40, 31), (8, 4, 3, 3), (1, 1), (1, 1), 1,
    ),
}  # fmt: skip


@pytest.fixture
def tf32(cuda):
    mg.set_float32_matmul_precision("high")


@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [np.dtype(np.float32), bfloat16.DTYPE], ids=["TF32", "bfloat16"])
def test_convolution_on_tensor_cores(case, dtype, tf32, rng, monkeypatch):
    """Against the CPU in float64; the factors are numbers that the tensor cores take as they are.

    Tensor cores add four products (or more) to a sum at a time, and may lose, in units of the last
    bit of the largest addend, one with each of the four others and one in the result (see
    tests/cuda_emulator/runtime/tensor_core.cpp). No addend exceeds the sum of all |products|. Then
    the bias is added, or the other parts of a sum that several blocks share: a rounding each. Last
    the result is rounded to the type of images.
    """
    input_shape, weight_shape, *parameters = case
    shape = conv2d_contract.output_shape(input_shape, weight_shape, *parameters)
    draw = tf32_values if dtype == np.float32 else bfloat16_values
    arrays = [draw(rng, size) for size in (input_shape, weight_shape, weight_shape[:1], shape)]

    def run(kernels, images, parameter, arrays=arrays, **rounding):
        input, weight, bias, grad_output = (
            array.astype(kind)
            for array, kind in zip(arrays, (images, parameter, parameter, images))
        )
        output, grad_input, activated = (
            np.full(size, np.nan, images) for size in (shape, input_shape, shape)
        )
        grad_weight = np.full(weight_shape, np.nan, parameter)
        conv2d, window = kernels.conv2d, parameters
        conv2d.forward(input, weight, bias, *window, output=output, **rounding)
        conv2d.backward_input(grad_output, weight, *window, grad_input=grad_input, **rounding)
        conv2d.backward_weight(grad_output, input, *window, grad_weight=grad_weight, **rounding)
        conv2d.forward_relu(input, weight, bias, *window, output=activated, **rounding)
        return output, grad_input, grad_weight, activated

    monkeypatch.setattr(cuda_emulator.settings, "order", "all")
    launched = record_launches(monkeypatch)
    results = run(Kernels("cuda"), dtype, np.float32, bfloat16=dtype != np.float32)
    kernels = {launch.kernel.split("<")[0] for launch in launched}
    assert {"implicit_gemm", "weight_gradient"} <= kernels
    expected = run(Kernels("cpu"), np.float64, np.float64)
    magnitudes = run(Kernels("cpu"), np.float64, np.float64, [np.abs(array) for array in arrays])
    *_, parts = next(launch.blocks for launch in launched if "weight_gradient<" in launch.kernel)
    taps, groups = weight_shape[2] * weight_shape[3], parameters[-1]
    per_pixel, pixels = taps * weight_shape[1], shape[0] * shape[2] * shape[3]
    tile = 64 // dtype.itemsize  # pixels; parts are cut between tiles
    # Terms of a sum, and roundings after it.
    sums = (
        (per_pixel, 1),
        (taps * weight_shape[0] // groups, 1),
        (tile * math.ceil(math.ceil(pixels / tile) / parts), parts),
        (per_pixel, 1),
    )
    for ours, exact, magnitude, (terms, roundings) in zip(results, expected, magnitudes, sums):
        tolerance = (5 * math.ceil(terms / 4) + roundings) * 2.0**-23 * magnitude
        if ours.dtype == bfloat16.DTYPE:
            tolerance += bfloat16.UNIT_ROUNDOFF * (np.abs(exact) + tolerance)
        assert (np.abs(ours.astype(np.float64) - exact) <= tolerance).all()


def tf32_values(rng, shape):
    """Random numbers that TF32 holds exactly: 10 bits after the leading one."""
    values = rng.standard_normal(shape).astype(np.float32)
    return (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def bfloat16_values(rng, shape):
    return bfloat16.round_to_bfloat16(rng.standard_normal(shape).astype(np.float32))


class Launch(NamedTuple):
    kernel: str
    blocks: int | tuple[int, ...]


def record_launches(monkeypatch):
    launched = []
    launch = sources.Source.launch

    def recorded(self, kernel, dtype, blocks, *arguments, **options):
        launched.append(Launch(kernel, blocks))
        return launch(self, kernel, dtype, blocks, *arguments, **options)

    monkeypatch.setattr(sources.Source, "launch", recorded)
    return launched


def names(launched):
    return [launch.kernel for launch in launched]


@pytest.mark.parametrize("offset", [0, 4, 8])
def test_images_at_any_address(offset, cuda, tf32, rng):
    """Where copies of 16 bytes cannot read them, they are copied before."""
    memory = cuda.asarray(rng.standard_normal(4 * 5 * 5 * 2 + offset).astype(np.float32))
    images = memory[offset // 4 :][: 4 * 5 * 5 * 2].reshape(2, 5, 5, 4)
    weight = cuda.asarray(tf32_values(rng, (3, 4, 3, 3)))
    output = cuda.empty((2, 3, 3, 3), np.float32)
    cuda.kernels.conv2d.forward(images, weight, None, (1, 1), (0, 0), 1, output=output)
    aligned = cuda.empty(output.shape, np.float32)
    cuda.kernels.conv2d.forward(images.copy(), weight, None, (1, 1), (0, 0), 1, output=aligned)
    assert np.array_equal(output.get(), aligned.get())


def test_factors_are_rounded_to_nearest(tf32):
    """1 + 3/4 of the last bit becomes 1 + one bit, not 1: in both factors."""
    bit = 2.0**-10
    input = np.full((1, 1, 1, 1), 1 + 0.75 * bit, np.float32)
    output = np.empty((1, 1, 1, 1), np.float32)
    Kernels("cuda").conv2d.forward(input, input, None, (1, 1), (0, 0), 1, output=output)
    assert output.item() == (1 + bit) ** 2


def test_precision_decides_the_path(cuda, rng, monkeypatch):
    launched = record_launches(monkeypatch)
    input = mg.Tensor(rng.standard_normal((1, 4, 5, 5)).astype(np.float32)).to("cuda")
    weight = mg.Tensor(rng.standard_normal((4, 4, 3, 3)).astype(np.float32)).to("cuda")
    F.conv2d(input, weight)
    assert names(launched) == ["im2col_forward"]
    mg.set_float32_matmul_precision("high")
    F.conv2d(input, weight)
    assert names(launched[1:]) == ["pack_weights", "implicit_gemm<Real, 48, 16>"]
    F.conv2d(input.to(np.float64), weight.to(np.float64))
    assert names(launched[3:]) == ["im2col_forward"]
    with pytest.raises(ValueError, match="expected 'highest' or 'high', got 'medium'"):
        mg.set_float32_matmul_precision("medium")


@pytest.mark.parametrize(
    "channels, tile", [(1, 48), (48, 48), (64, 64), (96, 96), (128, 128), (192, 96), (384, 128)]
)
def test_tile_that_pads_least(channels, tile):
    assert cuda_implicit_gemm._tile(channels, cuda_implicit_gemm.PRODUCT_TILES) == tile


@pytest.mark.parametrize("channels", [4, 3])
def test_weight_gradient_has_a_part_for_each_block_that_runs(channels, tf32, rng, monkeypatch):
    """Of 800 pixels, on two multiprocessors; see BLOCKS in kernels/conv2d/cuda_implicit_gemm.cu."""
    monkeypatch.setattr(device, "multiprocessors", 2)
    launched = record_launches(monkeypatch)
    arrays = (rng.standard_normal(shape) for shape in ((2, 8, 20, 20), (2, channels, 20, 20)))
    grad_output, input = (array.astype(np.float32) for array in arrays)
    grad_weight = np.empty((8, channels, 3, 3), np.float32)
    Kernels("cuda").conv2d.backward_weight(
        grad_output, input, (1, 1), (1, 1), 1, grad_weight=grad_weight
    )
    (gradient,) = (launch for launch in launched if launch.kernel.startswith("weight_gradient<"))
    assert gradient.blocks == (1, 1, 4)


def test_images_are_cut_into_parts_where_their_columns_are_many(cuda, rng, monkeypatch):
    monkeypatch.setattr("minigrad.kernels.conv2d.cuda_im2col._COLUMNS_BYTES", 10_000)
    case = ((5, 4, 7, 6), (6, 2, 3, 3), (1, 2), (1, 0), 2)
    input, weight = (rng.standard_normal(shape) for shape in case[:2])
    shape = conv2d_contract.output_shape(*case)
    grad_output = rng.standard_normal(shape)
    results = {}
    for name in ("cuda", "reference"):
        kernels = Kernels(name).conv2d
        results[name] = [np.full(s, np.nan) for s in (shape, *case[:2])]
        output, grad_input, grad_weight = results[name]
        kernels.forward(input, weight, None, *case[2:], output=output)
        kernels.backward_input(grad_output, weight, *case[2:], grad_input=grad_input)
        kernels.backward_weight(grad_output, input, *case[2:], grad_weight=grad_weight)
    for ours, expected in zip(*results.values()):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    "shape, kernel_size, stride, forward, backward",
    [
        ((1, 96, 11, 19), 3, 2, "vector", "vector"),  # AlexNet's channels and windows
        ((1, 256, 9, 9), 3, 2, "vector", "vector"),
        ((1, 90, 9, 9), 3, 2, "one", "one"),
        ((1, 769, 4, 4), 2, 2, "one", "two"),  # a block's pixels do not fit into shared memory
        ((1, 3100, 4, 4), 2, 2, "two", "two"),
        ((1, 6, 14, 30), 5, 1, "two", "one"),  # pixels would be normalized three times or more
    ],
)
def test_normalization_and_pooling_in_one_kernel_where_that_pays(
    shape, kernel_size, stride, forward, backward, cuda, monkeypatch
):
    launched = record_launches(monkeypatch)
    vector = 4 if shape[1] <= 128 else 8
    input = mg.Tensor(cuda.asarray(np.ones(shape, np.float32)), requires_grad=True)
    F.local_response_norm_max_pool2d(input, 5, 1.0, 0.75, 1.0, kernel_size, stride).sum().backward()
    kernel = "local_response_norm_max_pool2d"
    expected = {
        ("vector", "forward"): [f"{kernel}_forward_vector<Real, {vector}>"],
        ("vector", "backward"): [f"{kernel}_backward_vector<Real, {vector}>"],
        ("one", "forward"): ["local_response_norm_max_pool2d_forward"],
        ("two", "forward"): ["local_response_norm_forward", "max_pool2d_forward"],
        ("one", "backward"): ["local_response_norm_max_pool2d_backward"],
        ("two", "backward"): ["max_pool2d_backward", "local_response_norm_backward"],
    }
    assert names(launched) == expected[forward, "forward"] + expected[backward, "backward"]


# -- memory and transfers -----------------------------------------------------------------


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_a_step_allocates_nothing_after_the_first_two(precision, cuda, memory_pool, rng):
    mg.set_float32_matmul_precision(precision)
    model = AlexNet(num_classes=5, image_size=67, width=0.1).to("cuda")
    optimizer = optim.SGD(model.parameters(), 0.01, 0.9)
    images, labels = rng.integers(0, 256, (4, 67, 67, 3), np.uint8), np.array([0, 1, 2, 3])
    sizes = []
    for _ in range(6):
        with cuda.transfer(images) as sent:
            prepared = cuda.images(sent.astype(np.float32).transpose(0, 3, 1, 2))
        loss = F.cross_entropy(model(mg.Tensor(prepared)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sizes.append(memory_pool.total_bytes())
    # CuPy's pool, which cuts its pieces, may need a step to have the right ones.
    assert sizes[2] == sizes[3] == sizes[4] == sizes[5]


def test_arrays_are_pieces_of_the_pool_unless_it_is_off(cuda, request):
    gc.collect()  # not while the pool's bytes are counted
    pool = cuda.xp.get_default_memory_pool()
    off = request.config.getoption("--no-memory-pool")
    assert (cuda.xp.cuda.get_allocator() == pool.malloc) != off
    sizes, arrays = [pool.used_bytes()], [cuda.empty((1000,), np.float32)]
    sizes.append(pool.used_bytes())
    with memory_pool_off(cuda.xp):
        arrays.append(cuda.empty((1000,), np.float32))
        sizes.append(pool.used_bytes())
    arrays.append(cuda.empty((1000,), np.float32))
    sizes.append(pool.used_bytes())
    assert (np.diff(sizes) > 0).tolist() == [not off, False, not off]


def test_operands_need_not_be_contiguous(cuda, rng):
    wide = mg.Tensor(rng.standard_normal((4, 3, 3, 2, 2))).to("cuda")
    image = mg.Tensor(rng.standard_normal((2, 3, 5, 5))).to("cuda")
    weight, bias = wide.data[:, 0], wide.data[:, 0, 0, 0, 0]
    strided = F.conv2d(image, mg.Tensor(weight), mg.Tensor(bias))
    copies = F.conv2d(image, mg.Tensor(weight.copy()), mg.Tensor(bias.copy()))
    assert np.array_equal(strided.numpy(), copies.numpy())
    rows = mg.Tensor(rng.standard_normal((2, 6))).to("cuda")
    matrix = mg.Tensor(wide.data.reshape(4, -1)[:, :12:2])
    linear = F.linear(rows, matrix, mg.Tensor(bias))
    copies = F.linear(rows, mg.Tensor(matrix.data.copy()), mg.Tensor(bias.copy()))
    assert np.array_equal(linear.numpy(), copies.numpy())
    # What CuPy would let through.
    with pytest.raises(ValueError, match="is not C-contiguous"):
        cuda.kernels.sgd.update(*[wide.data.T] * 3, 0.1, 0.9, 0.0, "torch", False)


def test_transfers_under_way_do_not_share_memory(cuda, rng):
    arrays = [rng.integers(0, 256, shape, np.uint8) for shape in ((3, 5), (7,), (2, 2))]
    for _ in range(2):
        transfers = [cuda.transfer(array) for array in arrays]
        for transfer, array in zip(transfers, arrays):
            with transfer as sent:
                assert np.array_equal(cuda.asnumpy(sent), array)


def test_what_is_filled_for_the_gpu_is_not_copied_on_the_host(cuda, rng, monkeypatch):
    """And its memory is used again when the array is gone, not before."""
    cupy, made = cuda.xp, []
    alloc = cupy.cuda.alloc_pinned_memory
    monkeypatch.setattr(
        cupy.cuda, "alloc_pinned_memory", lambda size: made.append(size) or alloc(size)
    )
    for turn in range(3):
        array = cuda.host_empty((4, 5), np.float32)
        array[...] = turn
        with cuda.transfer(array[:3]) as sent:
            del array
            gc.collect()
            other = cuda.host_empty((2,), np.uint8)  # while the first is on its way
            other[...] = 255
            assert cuda.asnumpy(sent).tolist() == [[turn] * 5] * 3
        del other, sent
    gc.collect()
    assert made == [80, 2]


def test_a_transfer_waits_for_what_is_computed_of_the_one_before(cuda, rng):
    """They take turns with the same memory of the device, and the host waits for neither."""
    arrays, sums = [np.full((50,), n, np.uint8) for n in range(4)], []
    for array in arrays:
        with cuda.transfer(array) as sent:
            sums.append(sent.astype(np.float32))
    assert len(cuda._transfers._targets) == 1
    assert [cuda.asnumpy(x).tolist() for x in sums] == [array.tolist() for array in arrays]


def test_memory_for_the_gpu_from_several_threads(cuda, rng):
    """As workers of a loader fill it, and some of it is never sent."""
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            arrays = list(threads.map(lambda n: cuda.host_empty((n,), np.uint8), range(1, 30)))
            for n, array in enumerate(arrays):
                array[...] = n
            assert len({array.ctypes.data for array in arrays}) == len(arrays)
            for array in arrays[::2]:
                with cuda.transfer(array) as sent:
                    assert np.array_equal(cuda.asnumpy(sent), array)
            del arrays, array


def test_reading_later(cuda, rng):
    """What was there when it was asked for, whatever is computed before it is read."""
    values = rng.standard_normal((3, 4)).astype(np.float32)
    array, scalar = cuda.asarray(values), cuda.asarray(np.float32(7))
    read = cuda.read_later(array.T, scalar)
    array[...] = 0
    transposed, number = read()
    assert np.array_equal(transposed, values.T) and number.item() == 7
    assert [x.tolist() for x in read()] == [values.T.tolist(), 7]


def test_to_and_back(cuda, rng):
    tensor = mg.Tensor(rng.standard_normal((2, 3)))
    there = tensor.to("cuda")
    assert (there.device, tensor.device) == ("cuda", "cpu")
    assert np.array_equal(there.to("cpu").data, tensor.data)
    assert "tensor([[" in repr(there)
    with pytest.raises(TypeError, match="other is on cpu, expected cuda as the input"):
        there + tensor
    there.requires_grad = True
    with pytest.raises(TypeError, match="gradient is not on cuda"):
        (there * 2.0).backward(tensor)


def test_a_window_that_does_not_fit_into_shared_memory(cuda):
    input = mg.Tensor(np.ones((1, 70_000, 1, 1))).to("cuda")
    with pytest.raises(ValueError, match=f"shared memory, and this GPU has {device.shared_memory}"):
        F.local_response_norm(input, 60_001)


class Recorded:
    """A kernel whose requests for shared memory are written down."""

    def __init__(self, function, requests):
        vars(self).update(function=function, requests=requests)

    def __setattr__(self, name, value):
        self.requests.append((name, value))
        setattr(self.function, name, value)

    def __call__(self, *arguments, **options):
        self.function(*arguments, **options)


def test_shared_memory_is_asked_for_when_more_is_needed_than_before(cuda, monkeypatch):
    input = mg.Tensor(np.ones((1, 6400, 1, 1))).to("cuda")
    F.local_response_norm(input, 5)
    compiled, requests = norm_kernels._source._compiled, []
    key = "local_response_norm_forward", np.dtype(np.float64)
    recorded = Recorded(compiled[key].function, requests)
    monkeypatch.setitem(compiled, key, sources._Compiled(recorded))
    for size in (5, 6000, 6000, 5990, 6200, 5):
        F.local_response_norm(input, size)
    sizes = [8 * (256 + size - 1) for size in (6000, 6200)]
    assert requests == [("max_dynamic_shared_size_bytes", size) for size in sizes]


# -- what can be missing ------------------------------------------------------------------


class CUDARuntimeError(RuntimeError):
    """CuPy's CUDARuntimeError."""


def cupy_that(driver=13000, runtime=13000, devices=1, error=None):
    """A CuPy whose first use of the GPU ends so."""

    def ones(shape):
        if error:
            raise error

    return SimpleNamespace(
        ones=ones,
        cuda=SimpleNamespace(
            Device=lambda number=0: SimpleNamespace(use=lambda: None, mem_info=(3 << 20, 80 << 30)),
            device=SimpleNamespace(get_cublas_handle=lambda: 1),
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                driverGetVersion=lambda: driver,
                runtimeGetVersion=lambda: runtime,
                getDeviceCount=lambda: devices,
            ),
        ),
    )


@pytest.mark.parametrize(
    "cupy, message",
    [
        (None, "needs CuPy, which is not installed: pip install '.[cuda12]'"),
        (cupy_that(driver=0), "found no NVIDIA driver"),
        (
            cupy_that(driver=12080),
            "driver for CUDA 12.8, but the installed CuPy needs one for 13.0",
        ),
        (cupy_that(devices=0), "found no GPU"),
        (cupy_that(error=MemoryError("out of memory")), "3 of 81920 MiB free on the GPU"),
        (
            cupy_that(error=CUDARuntimeError("cudaErrorDevicesUnavailable")),
            "cannot use the GPU: cudaErrorDevicesUnavailable",
        ),
        (
            cupy_that(error=ImportError("libnvrtc.so.13: cannot open shared object file")),
            "cannot load a CUDA library: libnvrtc.so.13",
        ),
    ],
)
def test_what_is_missing_is_said(cupy, message, monkeypatch):
    monkeypatch.setattr(backend, "_cuda", None)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(mg.BackendError) as raised:
        backend.get("cuda")
    assert message in str(raised.value)
    assert "backend 'cuda'" in str(raised.value)
