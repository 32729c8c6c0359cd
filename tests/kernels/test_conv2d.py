"""The three paths of the convolution against the reference, and which is taken."""

import ctypes
import itertools

import numba
import numpy as np
import pytest

from minigrad import autocast, no_grad, tensor
from minigrad.kernels import conv2d
from minigrad.kernels.conv2d import (
    cpu,
    cpu_direct,
    cpu_im2col,
    cpu_winograd,
    cpu_winograd_tiles,
    cpu_winograd_transforms,
    cpu_winograd_weight,
    reference,
    winograd_algorithms,
)
from minigrad.kernels.conv2d.cpu_winograd_tiles import TASK_CHANNELS
from minigrad.kernels.shared import bfloat16 as bf16
from minigrad.kernels.shared.microkernel import lanes_of, widest_lanes
from tests.kernels.on_device import ChannelsFirst
from tests.op_cases import CASES as OPERATIONS

SHAPES = [  # channels, image, output channels, window, stride, padding, groups
    (3, (5, 4), 4, (3, 2), (1, 1), (0, 0), 1),
    (4, (6, 7), 6, (2, 3), (2, 3), (1, 1), 2),
    (17, (3, 3), 9, (3, 3), (1, 1), (1, 1), 1),
    (8, (4, 5), 34, (2, 2), (1, 2), (1, 0), 2),
    (3, (1, 40), 5, (1, 7), (1, 1), (0, 3), 1),
    (5, (3, 3), 5, (1, 1), (2, 2), (0, 0), 5),
    (2, (9, 8), 3, (4, 4), (4, 3), (2, 1), 1),
    (36, (4, 4), 36, (3, 2), (1, 1), (1, 1), 2),
]

# Channels that fill a panel, or end within one; tiles that end with the image, or beyond it.
WINOGRAD_SHAPES = [
    (34, (9, 7), 50, (3, 3), (1, 1), (1, 1), 1),
    (66, (8, 9), 64, (5, 5), (1, 1), (2, 1), 2),
    (33, (6, 8), 32, (4, 4), (1, 1), (0, 0), 1),
    (32, (5, 5), 49, (2, 2), (1, 1), (1, 1), 1),
    (32, (3, 2), 32, (3, 3), (1, 1), (3, 4), 1),
    (3, (19, 21), 40, (11, 11), (4, 4), (0, 2), 1),
    (6, (9, 12), 6, (5, 7), (2, 3), (1, 2), 2),
    (1, (7, 8), 1, (3, 6), (1, 2), (2, 0), 1),
    (3, (10, 10), 20, (8, 8), (4, 4), (3, 3), 1),
]
PATHS = [cpu_direct, cpu_im2col, cpu_winograd]
CASES = [(p, shape) for p in (cpu_direct, cpu_im2col) for shape in SHAPES]
CASES += [(cpu_winograd, shape) for shape in WINOGRAD_SHAPES]


def case_id(value):
    return str(value) if isinstance(value, tuple) else value.__name__.split("_")[-1]


def make_arrays(N, shape, dtype, rng):
    C, size, OC, window, stride, padding, groups = shape
    input = rng.standard_normal((N, C, *size)).astype(dtype)
    weight = rng.standard_normal((OC, C // groups, *window)).astype(dtype)
    bias = rng.standard_normal(OC).astype(dtype)
    output = conv2d.output_shape(input.shape, weight.shape, stride, padding, groups)
    grad_output = rng.standard_normal(output).astype(dtype)
    return input, weight, bias, grad_output, (stride, padding, groups)


def run(module, input, weight, bias, grad_output, parameters, **options):
    module = module if module is reference else ChannelsFirst(module)
    output, grad_weight = np.full_like(grad_output, np.nan), np.full_like(weight, np.nan)
    module.forward(input, weight, bias, *parameters, output=output, **options)
    module.backward_weight(grad_output, input, *parameters, grad_weight=grad_weight, **options)
    return [output, grad_weight]


def run_backward_input(module, input, weight, grad_output, parameters, **options):
    module = module if module is reference else ChannelsFirst(module)
    grad_input = np.full_like(input, np.nan)
    module.backward_input(grad_output, weight, *parameters, grad_input=grad_input, **options)
    return grad_input


@pytest.mark.parametrize("N", [1, 3])
@pytest.mark.parametrize("path, shape", CASES, ids=case_id)
def test_path_equals_reference(path, N, shape, dtype, rng, assert_close):
    arrays = make_arrays(N, shape, dtype, rng)
    for result, expected in zip(run(path, *arrays), run(reference, *arrays)):
        assert_close(result, expected)
    input, weight, _, grad_output, parameters = arrays
    if path is cpu_im2col or parameters[0] == (1, 1):
        rest = input, weight, grad_output, parameters
        assert_close(run_backward_input(path, *rest), run_backward_input(reference, *rest))


@pytest.mark.parametrize("path", [cpu_direct, cpu_im2col], ids=case_id)
def test_output_that_is_not_contiguous_is_refused(path, rng):
    """A reshape of it would be a copy, and the output lost."""
    input, weight, bias, grad_output, parameters = make_arrays(2, SHAPES[1], np.float32, rng)
    input = np.ascontiguousarray(np.moveaxis(input, 1, -1))
    output = np.moveaxis(np.empty_like(grad_output), 1, -1)
    with pytest.raises((ValueError, numba.TypingError), match="contiguous"):
        path.forward(input, weight, bias, *parameters, output=output)


def test_long_sums_are_split(dtype, rng, assert_close):
    """More channels and pixels than are summed at a time, and more tasks than one."""
    for shape in (
        (cpu_direct.DEPTH_TERMS + 7, (3, 35), 3, (1, 2), (1, 1), (0, 1), 1),
        (70, (3, 35), lanes_of(dtype) + 1, (3, 3), (1, 1), (1, 1), 1),
        (4, (60, 60), 3, (3, 2), (1, 1), (0, 0), 1),
    ):
        arrays = make_arrays(3, shape, dtype, rng)
        for direct, plain in zip(run(cpu_direct, *arrays), run(cpu_im2col, *arrays)):
            assert_close(direct, plain)


@pytest.mark.parametrize(
    "tiles_at_a_time, piece_bytes",
    [(1, 1), (1, 1 << 30), (1 << 10, 1)],
    ids=["pieces", "chunks", "neither"],
)
def test_tiles_in_one_task_and_in_many(
    tiles_at_a_time, piece_bytes, dtype, rng, assert_close, monkeypatch
):
    monkeypatch.setattr(cpu_winograd, "TASK_TILES", tiles_at_a_time)
    monkeypatch.setattr(cpu_winograd_weight, "CHUNK_TILES", tiles_at_a_time)
    monkeypatch.setattr(cpu_winograd_weight, "PIECE_BYTES", piece_bytes)
    arrays = make_arrays(3, (32, (11, 10), 70, (3, 3), (1, 1), (1, 1), 1), dtype, rng)
    for result, expected in zip(run(cpu_winograd, *arrays), run(cpu_im2col, *arrays)):
        assert_close(result, expected)
    input, weight, _, grad_output, parameters = arrays
    rest = input, weight, grad_output, parameters
    assert_close(run_backward_input(cpu_winograd, *rest), run_backward_input(cpu_im2col, *rest))


def test_output_channels_are_divided_among_many_threads(rng, assert_close, monkeypatch):
    """As where there are more threads than rows of points: the bits stay."""
    arrays = make_arrays(5, (32, (11, 10), 150, (3, 3), (1, 1), (1, 1), 1), np.float32, rng)
    _, expected = run(cpu_winograd, *arrays)
    for panels in (1, 2):
        monkeypatch.setattr(cpu_winograd_weight, "_panels_of_task", lambda *sizes, n=panels: n)
        _, result = run(cpu_winograd, *arrays)
        np.testing.assert_array_equal(result, expected)


def test_panels_of_a_task_keep_all_threads_busy(monkeypatch):
    panels_of_task = cpu_winograd_weight._panels_of_task
    for threads, rows, panels, expected in (
        (1, 9, 4, 4),
        (2, 11, 8, 8),  # 6 and 5 rows
        (2, 3, 8, 4),
        (16, 11, 8, 2),
        (64, 9, 4, 1),
    ):
        monkeypatch.setattr(cpu_winograd_weight, "get_num_threads", lambda n=threads: n)
        assert panels_of_task(rows, panels) == expected


@pytest.mark.parametrize("taps", [2, 3, 4, 5])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_matrices_multiply_polynomials(bfloat16, taps):
    """One line of a tile: the outputs are those of the filter slid over it, up to rounding."""
    sizes = [6, 7, 8, 9]
    if bfloat16:
        sizes = {2: [4, 6], 3: [4, 6], 4: [6, 8], 5: [6, 8]}[taps]
    found = winograd_algorithms.algorithms(taps, bfloat16)
    assert [algorithm.size for algorithm in found] == sizes
    assert [algorithm.transposed.outputs for algorithm in found] == [taps] * len(sizes)
    for algorithm in (*found, *(a.transposed for a in found)):
        M, R = algorithm.outputs, algorithm.taps
        input_transform, filter_transform, output_transform = algorithm.matrices
        line, filter = np.arange(M + R - 1.0) ** 2 - 7, np.array([2.0, 6, -5, 3, 5, 1, -4, 9])[:R]
        outputs = output_transform @ ((input_transform @ line) * (filter_transform @ filter))
        np.testing.assert_allclose(outputs, np.correlate(line, filter, "valid"), atol=1e-11)
        assert len(input_transform) == algorithm.products
        assert (input_transform == input_transform.round()).all()


def test_each_transform_has_a_name_of_its_own(monkeypatch):
    """By which compiled code is kept: two with one name would run each other's."""
    names = []

    class NotCompiled:
        address = 0

        def __init__(self, function, *signature, **options):
            names.append(function.__qualname__)

        def compile(self):
            pass

    monkeypatch.setattr(cpu_winograd_transforms, "CFunc", NotCompiled)
    monkeypatch.setattr(cpu_winograd_transforms, "_kept", [])
    of_transforms = {"evaluate", "evaluate_filter", "evaluate_line", "evaluate_filter_line"}
    of_transforms |= {"evaluate_columns", "evaluate_filter_columns", "interpolate"}
    found = [
        winograd_algorithms.algorithms(taps, b) for taps in (2, 3, 4, 5) for b in (False, True)
    ]
    found = {a for group in found for algorithm in group for a in (algorithm, algorithm.transposed)}
    count = 0
    for algorithm, name in itertools.product(found, of_transforms):
        compile = getattr(cpu_winograd_transforms, name).__wrapped__
        rounding = "columns" not in name and name != "interpolate"
        float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
        forms = (float32,), (float64,), (float32, True)
        for form in forms if rounding else forms[:2]:
            compile(algorithm, *form)
            count += 1
    assert len(set(names)) == count


@pytest.mark.parametrize(
    "N, side, OC, IC, window, stride, bfloat16, outputs",
    [
        # The transformed filters are read for a few tiles: those want few points.
        (1, 12, 32, 32, 3, 1, False, 4),
        (32, 13, 384, 256, 3, 1, False, 7),
        # Products take half the time, the filters do not.
        (1, 17, 32, 32, 5, 1, True, 2),
        (32, 13, 384, 256, 3, 1, True, 2),
        (32, 27, 256, 48, 5, 1, True, 4),
        # The transforms of few channels take a part of the time.
        (32, 27, 32, 32, 4, 1, False, 4),
        (32, 27, 256, 256, 4, 1, False, 5),
        # With a stride the error would be more than twice that of the direct path.
        (32, 55, 256, 16, 8, 2, False, 3),
        (32, 55, 96, 3, 11, 4, False, 4),
        (32, 55, 96, 3, 11, 4, True, 4),
    ],
)
def test_which_algorithm_is_taken(
    N, side, OC, IC, window, stride, bfloat16, outputs, monkeypatch
):  # fmt: skip
    """On a processor with vectors of 64 bytes."""
    for name, value in (
        ("lanes_of", lambda dtype: 32),
        ("panel_width", lambda dtype: 16),
        ("GATHERED_ROWS", 8),
    ):
        monkeypatch.setattr(cpu_winograd_tiles, name, value)
    shapes = (N, side, side, OC), (OC, IC, window, window), (stride, stride), 1, np.dtype("float32")
    # Without what is kept of other calls.
    choose = cpu_winograd_tiles.best_algorithm.__wrapped__
    assert choose(*shapes, bfloat16).outputs == outputs


def test_which_path_is_taken(monkeypatch, rng):
    taken = []
    for path in PATHS:
        for name in ("forward", "backward_input", "backward_weight"):
            monkeypatch.setattr(path, name, lambda *a, path=path, **k: taken.append(path))

    def paths(N, shape, **options):
        """Those of the forward pass, the weight gradient and the input gradient."""
        taken.clear()
        arrays = make_arrays(N, shape, np.float32, rng)
        run(cpu, *arrays, **options)
        input, weight, bias, grad_output, parameters = arrays
        run_backward_input(cpu, input, weight, grad_output, parameters, **options)
        return taken

    direct, winograd = [cpu_direct] * 3, [cpu_winograd] * 3
    few, many = (3, (5, 5), 4, (3, 3)), (64, (16, 12), 128, (3, 3))
    assert paths(2, (*few, (1, 1), (0, 0), 1)) == direct
    assert paths(2, (*few, (2, 1), (0, 0), 1)) == [cpu_direct, cpu_direct, cpu_im2col]
    assert paths(2, (*few, (1, 1), (0, 3), 1)) == [cpu_direct, cpu_direct, cpu_im2col]
    assert paths(32, (*many, (1, 1), (1, 1), 1)) == winograd
    assert paths(32, (*many, (1, 1), (1, 1), 2)) == winograd
    assert paths(32, (*many, (1, 1), (1, 1), 16)) == direct
    assert paths(32, (*many, (2, 2), (1, 1), 1)) == [cpu_direct, cpu_direct, cpu_im2col]
    assert paths(1, (64, (4, 4), 128, (3, 3), (1, 1), (1, 1), 1)) == direct
    assert paths(99, (64, (1, 30), 64, (3, 3), (1, 1), (1, 1), 1)) == direct
    assert paths(32, (64, (16, 12), 64, (3, 5), (1, 1), (1, 2), 1)) == direct
    assert paths(8, (3, (67, 67), 96, (11, 11), (4, 4), (0, 0), 1)) == [
        cpu_winograd,
        cpu_winograd,
        cpu_im2col,
    ]
    assert paths(2, (*few, (1, 1), (0, 0), 1), bfloat16=True) == direct
    assert paths(32, (*many, (1, 1), (1, 1), 1), bfloat16=True) == winograd


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize(
    "case",
    [case for case in OPERATIONS if case.large and case.operation in ("conv2d", "conv2d_relu")],
    ids=lambda case: case.name,
)
def test_large_convolutions_of_the_table_take_winograd(case, bfloat16, rng, monkeypatch):
    """Gradient checks and comparisons with PyTorch run on the path that AlexNet takes."""
    monkeypatch.setattr(bf16, "SUPPORTED", True)
    taken = []
    monkeypatch.setattr(cpu_winograd, "forward", lambda *a, **k: taken.append(k["bfloat16"]))
    for dtype in (np.float32, np.float64)[: 1 if bfloat16 else 2]:
        with autocast(enabled=bfloat16), no_grad():
            case.function(*map(tensor, case.make_inputs(rng, dtype)))
    assert taken == ([True] if bfloat16 else [False, False])


def test_filters_are_transformed_in_memory_that_is_there_meanwhile(rng):
    """Numba frees an array behind its last name, and sees none in an address."""
    places = []
    record = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(lambda *taps: places.append(taps[0]))
    weight = rng.standard_normal((2, 40, 24, 3, 3)).astype(np.float32)
    lanes = widest_lanes(weight.dtype, 40)
    filters = np.empty((2, -(-40 // lanes), 16, 24, lanes), np.float32)
    work = np.empty((numba.get_num_threads(), 9 * TASK_CHANNELS * lanes), np.float32)
    code = ctypes.cast(record, ctypes.c_void_p).value
    cpu_winograd_tiles.transform_filters(weight, code, 1, work, filters)
    assert places and all(0 <= place - work.ctypes.data < work.nbytes for place in places)


@pytest.mark.parametrize("path", PATHS, ids=case_id)
def test_is_the_same_on_any_number_of_threads(path, rng, same_on_any_number_of_threads):
    shape = WINOGRAD_SHAPES[0] if path is cpu_winograd else SHAPES[2]
    arrays = make_arrays(33, shape, np.dtype(np.float32), rng)
    same_on_any_number_of_threads(lambda: run(path, *arrays))


def test_nan_and_infinity_stay(rng):
    arrays = make_arrays(17, SHAPES[0], np.dtype(np.float32), rng)
    arrays[0][3, 1, 2, 2], arrays[0][5, 0, 0, 0] = np.nan, np.inf
    for path in (cpu_direct, cpu_im2col):
        output, _ = run(path, *arrays)
        assert np.isnan(output[3]).any() and np.isinf(output[5]).any()
        finite = np.delete(output, [3, 5], axis=0)
        assert np.isfinite(finite).all(), "images of a batch do not touch each other"


def test_nan_and_infinity_do_not_vanish_between_tiles(rng):
    arrays = make_arrays(17, WINOGRAD_SHAPES[0], np.dtype(np.float32), rng)
    arrays[0][3, 1, 2, 2], arrays[0][5, 0, 0, 0] = np.nan, np.inf
    output, _ = run(cpu_winograd, *arrays)
    for n in range(17):
        assert np.isfinite(output[n]).all() == (n not in (3, 5))


def test_relu_of_winograd_keeps_nan(rng):
    input, weight, bias, grad_output, parameters = make_arrays(
        2, WINOGRAD_SHAPES[0], np.dtype(np.float32), rng
    )
    input[1, 0, 2, 2] = np.nan
    plain, rectified = np.empty_like(grad_output), np.empty_like(grad_output)
    path = ChannelsFirst(cpu_winograd)
    path.forward(input, weight, bias, *parameters, output=plain)
    path.forward(input, weight, bias, *parameters, output=rectified, relu=True)
    assert np.isnan(plain[1]).any()
    np.testing.assert_array_equal(rectified, np.maximum(plain, 0))


def test_output_shape_names_what_does_not_fit():
    assert conv2d.output_shape((2, 4, 9, 8), (6, 2, 3, 2), (2, 3), (1, 0), 2) == (2, 6, 5, 3)
    with pytest.raises(ValueError, match="weight has 5 output channels .* multiple of groups=2"):
        conv2d.output_shape((2, 4, 9, 8), (5, 2, 3, 2), (1, 1), (0, 0), 2)
    with pytest.raises(ValueError, match="input has 3 channels .* expected 4 for weight shape"):
        conv2d.output_shape((2, 3, 9, 8), (6, 2, 3, 2), (1, 1), (0, 0), 2)
