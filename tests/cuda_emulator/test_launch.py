"""Arguments and sizes of a launch are checked as neither CuPy nor a device does."""

import numpy as np
import pytest

from . import EmulatorError, settings

CODE = """
struct Pair { int first, second; };

template <class T>
__global__ void kernel(const T* x, T* y, int i, long long j, float a, bool flag, Pair pair) {
    if (threadIdx.x == 0) {
        y[0] = x == nullptr ? T(-1) : T(i + j + a + flag + pair.second);
    }
}

template <class T>
__global__ void count_blocks(unsigned long long* count) {
    if (threadIdx.x == 0) {
        atomicAdd(count, 1ull);
    }
}

template <class T>
__global__ void use_shared(T* y, int last) {
    extern __shared__ T shared[];
    shared[last] = 7;
    y[0] = shared[last];
}

template <class T>
__global__ void bytes(
    const unsigned char* a, const bool* b, const int* c, const unsigned* d, T* y) {}
"""
NAMES = ("kernel<float>", "count_blocks<float>", "use_shared<float>", "bytes<float>")
PAIR = np.dtype([("first", np.int32), ("second", np.int32)])


@pytest.fixture
def module(cupy):
    return cupy.RawModule(code=CODE, options=("-std=c++17",), name_expressions=NAMES)


@pytest.fixture
def kernel(module):
    return module.get_function("kernel<float>")


@pytest.fixture
def arguments(cupy):
    pair = np.array((20, 30), PAIR)
    x, y = cupy.zeros(4, np.float32), cupy.zeros(4, np.float32)
    return [x, y, np.int32(1), np.int64(2), np.float32(3), np.bool_(True), pair]


def test_right_arguments(kernel, arguments):
    kernel((1,), (1,), arguments)
    assert arguments[1].get()[0] == 1 + 2 + 3 + 1 + 30


def test_null_pointer(kernel, arguments):
    kernel((1,), (1,), [np.uint64(0), *arguments[1:]])
    assert arguments[1].get()[0] == -1


WRONG = {
    "float64 array": (0, lambda cupy: cupy.zeros(4, np.float64), "float64 array"),
    "int32 array": (0, lambda cupy: cupy.zeros(4, np.int32), "int32 array"),
    "not contiguous": (0, lambda cupy: cupy.zeros((4, 4), np.float32).T, "not C-contiguous"),
    "NumPy array": (0, lambda cupy: np.zeros(4, np.float32), "numpy.ndarray"),
    "None": (0, lambda cupy: None, "NoneType"),
    "address": (0, lambda cupy: np.uint64(4096), "numpy.uint64"),
    "Python int": (2, lambda cupy: 1, "int"),
    "too long an int": (2, lambda cupy: np.int64(1), "int64"),
    "unsigned": (2, lambda cupy: np.uint32(1), "uint32"),
    "too short an int": (3, lambda cupy: np.int32(1), "int32"),
    "Python float": (4, lambda cupy: 1.0, "float"),
    "float64": (4, lambda cupy: np.float64(1), "float64"),
    "device scalar": (4, lambda cupy: cupy.zeros((), np.float32), "ndarray"),
    "Python bool": (5, lambda cupy: True, "bool"),
    "struct of another size": (6, lambda cupy: np.zeros((), np.int32), "int32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_argument_is_named(cupy, kernel, arguments, case):
    position, make, text = WRONG[case]
    arguments[position] = make(cupy)
    with pytest.raises(EmulatorError, match=rf"kernel<float>: argument {position} is .*{text}"):
        kernel((1,), (1,), arguments)


def test_number_of_arguments(kernel, arguments):
    with pytest.raises(EmulatorError, match="6 arguments for 7 parameters"):
        kernel((1,), (1,), arguments[:-1])


def test_types_of_pointers(cupy, module):
    right = [cupy.zeros(1, dtype) for dtype in ("uint8", "bool", "int32", "uint32", "float32")]
    function = module.get_function("bytes<float>")
    function((1,), (1,), right)
    for i in range(4):
        wrong = list(right)
        wrong[i] = right[(i + 1) % 4]
        with pytest.raises(EmulatorError, match=f"argument {i} is a "):
            function((1,), (1,), wrong)


@pytest.mark.parametrize(
    "grid, block", [((1, 65536), (1,)), ((1, 1, 65536), (1,)), ((2**31,), (1,))]
)
def test_grid_limits(kernel, arguments, grid, block):
    with pytest.raises(EmulatorError, match="exceeds"):
        kernel(grid, block, arguments)


@pytest.mark.parametrize("block", [(1025,), (32, 33), (1, 1, 65)])
def test_block_limits(kernel, arguments, block):
    with pytest.raises(EmulatorError, match="exceeds 1024 threads"):
        kernel((1,), block, arguments)


@pytest.mark.parametrize("grid, blocks", [((0,), 1), ((3, 5, 7), 105), ((65537,), 65537)])
def test_every_block_runs_once(cupy, module, order, grid, blocks):
    count = cupy.zeros(1, np.uint64)
    module.get_function("count_blocks<float>")(grid, (2,), (count,))
    assert count.item() == blocks


def test_dynamic_shared_memory_is_asked_for(cupy, module):
    y = cupy.zeros(1, np.float32)
    function = module.get_function("use_shared<float>")
    size = 64 << 10
    arguments = (y, np.int32(size // 4 - 1))
    with pytest.raises(EmulatorError, match="max_dynamic_shared_size_bytes is 49152"):
        function((1,), (1,), arguments, shared_mem=size)
    function.max_dynamic_shared_size_bytes = size
    function((1,), (1,), arguments, shared_mem=size)
    assert y.item() == 7
    with pytest.raises(EmulatorError, match="of shared memory"):
        function((1,), (1,), arguments, shared_mem=(227 << 10) + 1)


def test_unknown_order_and_unknown_function(kernel, module, arguments, monkeypatch):
    with pytest.raises(EmulatorError, match="not among the name_expressions"):
        module.get_function("kernel<double>")
    monkeypatch.setattr(settings, "order", "backwards")
    with pytest.raises(EmulatorError, match="not one of"):
        kernel((1,), (1,), arguments)
