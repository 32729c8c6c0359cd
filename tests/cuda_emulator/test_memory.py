"""The memory pool behaves as CuPy's does."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import connected_cuda
from tests.kernels.on_device import GUARD, Copy, memory_pool_off

from . import memory, settings
from .memory import MemoryPool, OutOfMemoryError


@pytest.fixture
def pool():
    pool = MemoryPool()
    yield pool
    pool.free_all_blocks()


def test_sizes_are_rounded_up(pool):
    pool.allocate(1)
    pool.allocate(513)
    assert pool.used_bytes() == pool.total_bytes() == 512 + 1024


def test_freed_memory_is_used_again(pool):
    address = pool.allocate(2000)
    pool.release(address)
    assert pool.used_bytes() == 0 and pool.total_bytes() == 2048
    assert pool.allocate(1800) == address
    assert pool.total_bytes() == 2048


def test_the_smallest_piece_that_fits_is_cut_to_size(pool):
    large, small = pool.allocate(4096), pool.allocate(1024)
    pool.release(large)
    pool.release(small)
    assert pool.allocate(512) == small
    assert pool.allocate(1024) == large
    assert pool.allocate(3072) == large + 1024
    assert pool.n_free_blocks() == 1 and pool.total_bytes() == 5120


def test_neighbors_are_joined(pool):
    whole = pool.allocate(4096)
    pool.release(whole)
    pieces = [pool.allocate(1024) for _ in range(4)]
    for i in (0, 2, 1, 3):
        pool.release(pieces[i])
    assert pool.n_free_blocks() == 1
    assert pool.allocate(4096) == whole


def test_limit(pool):
    pool.set_limit(size=4096)
    assert pool.get_limit() == 4096
    first = pool.allocate(2048)
    with pytest.raises(OutOfMemoryError, match="limit set to: 4,096 bytes"):
        pool.allocate(4096)
    pool.release(first)
    pool.allocate(4096)  # after the free segment was given back


def test_free_all_blocks_keeps_what_is_in_use(pool):
    kept, freed = pool.allocate(512), pool.allocate(1024)
    pool.release(freed)
    pool.free_all_blocks()
    assert pool.total_bytes() == pool.used_bytes() == 512
    pool.release(kept)


def test_more_than_the_device_has(cupy):
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError):
        cupy.empty(memory.DEVICE_BYTES, np.float32)


def test_arrays_give_their_memory_back(cupy):
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    x = cupy.zeros((100, 100), np.float32)
    assert pool.used_bytes() == before + 40448
    view = x[3:].T
    del x
    assert pool.used_bytes() == before + 40448
    del view
    assert pool.used_bytes() == before


def test_the_same_step_needs_no_more_memory(cupy):
    x = cupy.ones((64, 64), np.float32)

    def step():
        return float(((x @ x) * 2 + x).sum())

    step()
    total = cupy.get_default_memory_pool().total_bytes()
    for _ in range(5):
        step()
    assert cupy.get_default_memory_pool().total_bytes() == total


def test_without_the_pool_every_array_is_an_allocation_of_its_own(cupy):
    pool = cupy.get_default_memory_pool()
    assert cupy.cuda.get_allocator() == pool.malloc
    before, free = pool.total_bytes(), cupy.cuda.Device().mem_info[0]
    cupy.cuda.set_allocator(None)
    try:
        x = cupy.ones((1000, 3), np.float32)
        assert memory.holds(x.data.ptr, 12000) and not memory.holds(x.data.ptr, 12001)
        assert not pool.holds(x.data.ptr, 1) and pool.total_bytes() == before
        assert cupy.cuda.Device().mem_info[0] == free - 12000
        address = x.data.ptr
        del x
        assert not memory.holds(address, 1)
        assert cupy.cuda.Device().mem_info[0] == free
    finally:
        cupy.cuda.set_allocator(pool.malloc)
    assert pool.holds(cupy.ones(3).data.ptr, 24)


def test_memory_that_was_used_is_poisoned_again(cupy):
    x = cupy.ones(1000, np.float32)
    address = x.data.ptr
    del x
    x = cupy.empty(1000, np.float32)
    assert x.data.ptr == address and np.isnan(x.get()).all()


def test_the_tests_run_without_the_memory_pool():
    """Those of the pool itself are skipped, and say why."""
    selected = "pool_unless_it_is_off or nothing_after_the_first_two or transfers_under_way"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--no-memory-pool",
        "-rs",
        "tests/kernels/test_cuda.py",
    ]
    root = Path(__file__).parents[2]
    result = subprocess.run([*command, "-k", selected], cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[2] tests/kernels/test_cuda.py" in result.stdout
    assert "the memory pool is off (--no-memory-pool)" in result.stdout


@pytest.mark.skipif(bool(settings.sanitizer), reason="under a sanitizer there is no pool")
def test_a_test_may_use_the_memory_of_a_copy_that_the_one_before_did_not_wait_for(request):
    """As a training leaves it that stops while the images of its next step are sent."""
    images = np.zeros(3 << 20, np.uint8)
    with connected_cuda(request.config) as cuda:
        cuda.xp.get_default_memory_pool().free_all_blocks()
        cuda.transfer(images)
        (target,) = cuda._transfers._targets
        address = target.bytes.data.ptr
    del cuda, target
    gc.collect()
    with connected_cuda(request.config) as cuda:
        assert cuda.empty(images.shape, np.uint8).data.ptr == address


def test_arrays_have_no_guards_where_a_sanitizer_may_look(cuda):
    """Between guards a read beside an array would be one inside of its allocation."""
    host = np.ones(5, np.float32)
    assert Copy(host, cuda, guard=100).block.nbytes == host.nbytes + 2 * GUARD
    with memory_pool_off(cuda.xp):
        bare = Copy(host, cuda, guard=100)
        assert bare.block.nbytes == host.nbytes
        bare.array[...] = 2
        bare.fetch()
    assert host.tolist() == [2] * 5


@pytest.mark.parametrize("released", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]])
@pytest.mark.skipif(bool(settings.sanitizer), reason="under a sanitizer there is no pool")
def test_garbage_may_be_collected_while_the_pool_works(monkeypatch, released):
    """Python may do that at any allocation, here whenever the pool looks at a piece."""
    pool = memory.MemoryPool()
    pool.release(pool.allocate(3 * memory.UNIT))
    addresses = [pool.allocate(memory.UNIT) for _ in range(3)]
    garbage = [addresses[i] for i in released[1:]]
    entry = pool._entry

    def collecting(piece):
        if garbage:
            pool.release(garbage.pop(0))
        return entry(piece)

    monkeypatch.setattr(pool, "_entry", collecting)
    pool.release(addresses[released[0]])
    assert (pool.n_free_blocks(), pool.used_bytes()) == (1, 0)
    pool.free_all_blocks()
    assert pool.total_bytes() == 0
