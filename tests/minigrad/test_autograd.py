"""The graph: several uses, its order, its memory, and what stays out of it."""

import gc
import threading
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad.kernels.shared import memory


def leaf(*values, dtype=np.float64):
    return mg.Tensor(np.array(values, dtype), requires_grad=True)


def test_several_uses_of_a_tensor_add_up():
    x = leaf(3.0)
    (x * x + x * 2.0 + x).sum().backward()
    assert x.grad.data.tolist() == [2 * 3 + 2 + 1]


def test_diamond():
    x = leaf(2.0)
    a = x * 3.0
    b, c = a * a, a + 1.0
    (b * c).sum().backward()  # 9 x^2 (3 x + 1)
    assert x.grad.data.tolist() == [81 * 4 + 18 * 2]


def test_one_tensor_twice_in_one_operation():
    x = leaf(1.0, 2.0)
    F.concatenate([x, x]).backward(mg.Tensor(np.array([1.0, 2.0, 3.0, 4.0])))
    assert x.grad.data.tolist() == [4, 6]


def test_gradients_of_several_backwards_add_up_until_reset():
    x = leaf(3.0)
    (x * x).sum().backward()
    (x * x).sum().backward()
    assert x.grad.data.tolist() == [12]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.data.tolist() == [6]


def test_long_chain_does_not_exhaust_the_stack():
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + x
    y.sum().backward()
    assert x.grad.data.tolist() == [5001]
    del y
    gc.collect()


def test_deep_sharing_takes_linear_time():
    x = y = leaf(1.0)
    for _ in range(60):
        y = y * 0.5 + y * 0.5  # 2^60 paths
    y.sum().backward()
    assert x.grad.data.tolist() == [1]


def test_leaf_as_output():
    x = leaf(1.0)
    x.backward()
    assert x.grad.data.tolist() == [1]


def test_no_grad_records_nothing_and_ends_with_its_block():
    x = leaf(1.0)
    with mg.no_grad():
        assert not mg.is_grad_enabled()
        y = x * 2.0
        with mg.no_grad():
            pass
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled() and not y.requires_grad and y.is_leaf
    with pytest.raises(ZeroDivisionError), mg.no_grad():
        raise ZeroDivisionError
    assert mg.is_grad_enabled()


def test_no_grad_as_a_decorator():
    @mg.no_grad()
    def double(x):
        return x * 2.0

    assert not double(leaf(1.0)).requires_grad and mg.is_grad_enabled()


def test_no_grad_holds_for_its_own_thread_only():
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_cuts_the_graph_and_shares_the_values():
    x = leaf(3.0)
    detached = (x * x).detach()
    assert not detached.requires_grad
    (x * detached).sum().backward()
    assert x.grad.data.tolist() == [9]
    assert x.detach().data is x.data


def test_inputs_that_need_no_gradient_get_none():
    x, y = leaf(2.0), mg.Tensor(np.array([5.0]))
    (x * y).sum().backward()
    assert x.grad.data.tolist() == [5] and y.grad is None


def test_intermediate_tensors_keep_no_gradient():
    x = leaf(2.0)
    y = x * 2.0
    y.sum().backward()
    assert y.grad is None and not y.is_leaf


def test_two_parameters_never_share_the_memory_of_a_gradient():
    a, b = leaf(1.0), leaf(1.0)
    (a + b).backward(mg.Tensor(np.ones(1)))
    a.grad.data += 1
    assert b.grad.data.tolist() == [1]


def test_gradient_given_by_the_user_is_not_changed():
    x, gradient = leaf(1.0, 2.0), np.array([1.0, 1.0])
    y = x + 0.0
    y.backward(mg.Tensor(gradient))
    x.grad.data += 1
    assert gradient.tolist() == [1, 1]


def test_saved_arrays_are_freed_by_backward():
    x = leaf(*range(10))
    hidden = F.exp(x)
    array = weakref.ref(hidden.data)
    loss = F.sum(hidden * hidden)
    del hidden
    gc.collect()
    assert array() is not None, "the graph holds what backward needs"
    loss.backward()
    gc.collect()
    assert array() is None, "loss is alive, its graph is freed"


def test_graph_without_backward_is_freed_with_its_output():
    hidden = F.exp(leaf(1.0))
    array = weakref.ref(hidden.data)
    loss = F.sum(hidden * hidden)
    del hidden, loss
    gc.collect()
    assert array() is None


def test_pool_gives_the_memory_of_freed_arrays_out_again():
    pool = memory.MemoryPool()
    shape = (1 << 10, 1 << 8)
    first = pool.empty(shape, np.float32)
    address = first.ctypes.data
    assert address % 64 == 0 and first.flags.c_contiguous and first.flags.writeable
    view = first[3:].reshape(-1)
    del first
    assert pool.empty(shape, np.float32).ctypes.data != address, "a view still uses it"
    del view
    gc.collect()
    smaller = pool.empty((1 << 9, 1 << 8), np.float32)
    again = pool.empty(shape, np.float32)
    assert address in (smaller.ctypes.data, again.ctypes.data)


def test_pool_gives_up_a_smaller_block_for_one_that_can_stand_in_for_it():
    pool = memory.MemoryPool()
    for size in (100, 60, 90, 130, 80):  # each freed again
        pool.empty((size << 12,), np.uint8)
    assert {size >> 12: len(blocks) for size, blocks in pool._free.items() if blocks} == {130: 1}
    both = [pool.empty((size << 12,), np.uint8) for size in (130, 100)]
    del both
    for _ in range(3):  # what is needed at once stays
        both = [pool.empty((size << 12,), np.uint8) for size in (100, 130)]
        del both
    assert sum(len(blocks) for blocks in pool._free.values()) == 2


def test_pool_never_gives_the_same_memory_out_twice():
    pool = memory.MemoryPool()
    arrays = [pool.empty((1 << 17,), np.float32) for _ in range(4)]
    del arrays[1]
    arrays += [pool.empty((1 << 17,), np.float32) for _ in range(3)]
    for number, array in enumerate(arrays):
        array[...] = number
    assert [float(array[0]) for array in arrays] == list(range(6))
    assert all((array == array[0]).all() for array in arrays)


def test_pool_gives_out_new_memory_where_another_thread_has_taken_the_last_block():
    class TakenMeanwhile(list):
        def pop(self):
            self.clear()
            return super().pop()

    pool = memory.MemoryPool()
    size = pool.empty((1 << 18,), np.uint8).size  # freed again
    pool._free[size] = TakenMeanwhile(pool._free[size])
    assert pool._free[size], "a block is free"
    array = pool.empty((size,), np.uint8)
    array[...] = 1
    assert array.sum() == size


def test_gradient_goes_back_to_the_device_that_a_tensor_came_from(cuda, rng):
    x = mg.Tensor(rng.standard_normal((2, 3)), requires_grad=True)
    factor = mg.Tensor(cuda.asarray(rng.standard_normal((2, 3))), requires_grad=True)
    y = (x * 2.0).to("cuda")
    assert y.device == "cuda" and y.requires_grad and not y.is_leaf
    (y * factor).to("cpu").sum().backward()
    assert (x.grad.device, factor.grad.device) == ("cpu", "cuda")
    np.testing.assert_array_equal(x.grad.numpy(), 2 * factor.numpy())
    np.testing.assert_array_equal(factor.grad.numpy(), 2 * x.numpy())


def test_leaf_sent_to_a_device_keeps_the_gradient(cuda):
    x = leaf(1.0, 2.0)
    x.to("cuda").sum().backward()
    assert x.grad.device == "cpu" and x.grad.numpy().tolist() == [1, 1]
    with mg.no_grad():
        assert not x.to("cuda").requires_grad
    there = x.detach().to("cuda")
    assert there.to("cuda") is there and not there.requires_grad
    assert mg.tensor([1, 2]).to("cuda").numpy().tolist() == [1, 2]


def test_error_in_backward_keeps_its_class_and_names_the_function():
    class Broken(mg.Function):
        @staticmethod
        def forward(ctx, input):
            return input + 0

        @staticmethod
        def backward(ctx, grad_output):
            raise mg.BackendError("the GPU is gone")

    with pytest.raises(mg.BackendError, match="Broken: the GPU is gone"):
        Broken.apply(leaf(1.0)).backward()


def test_function_of_the_user():
    class Cube(mg.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input**3

        @staticmethod
        def backward(ctx, grad_output):
            (input,) = ctx.saved
            return 3 * input**2 * grad_output

    assert mg.gradcheck(Cube.apply, leaf(1.0, -2.0))
