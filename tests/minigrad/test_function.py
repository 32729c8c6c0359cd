"""Functions of a user's own: what is wrong with one is said by its name."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import autograd


def function(forward=lambda ctx, *arrays: arrays[0] * 2, backward=lambda ctx, grad: grad * 2):
    return type(
        "Twice",
        (mg.Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward)},
    )


def leaf():
    return mg.tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize("inputs", [(), (np.ones(2),), (leaf(), 3.0)])
def test_inputs_that_are_no_tensors(inputs):
    with pytest.raises(TypeError, match="Twice.apply takes one or more tensors.*by keyword"):
        function().apply(*inputs)


@pytest.mark.parametrize("output", [(np.ones(2), np.ones(2)), [np.ones(2)], 1.0, None])
def test_an_output_that_is_no_array(output):
    with pytest.raises(TypeError, match="Twice.forward returned a .*, expected one array"):
        function(forward=lambda ctx, array: output).apply(leaf())


def test_an_array_without_dimensions_may_be_a_numpy_scalar():
    x = leaf()
    total = function(
        forward=lambda ctx, array: array.sum(), backward=lambda ctx, grad: grad * np.ones(2, "f4")
    ).apply(x)
    total.backward()
    assert total.shape == () and x.grad.numpy().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ((np.ones(2, "f4"),) * 2, r"Twice.backward returned 2 gradient\(s\), expected 1"),
        ((), r"Twice.backward returned 0 gradient\(s\), expected 1"),
        (1.0, "Twice.backward returned a float for input 0, expected an array"),
        ([np.ones(2, "f4")], "Twice.backward returned a list for input 0, expected an array"),
    ],
)
def test_gradients_that_do_not_fit_the_inputs(returned, message):
    with pytest.raises(RuntimeError, match=message):
        function(backward=lambda ctx, grad: returned).apply(leaf()).sum().backward()


def test_too_few_gradients():
    with pytest.raises(RuntimeError, match="1 gradient.*, expected 2: one for each input"):
        function().apply(leaf(), leaf()).sum().backward()


class SlowLeaf(mg.Tensor):
    """Other threads come in after its gradient is read, and before it is written."""

    kept = None

    @property
    def grad(self):
        kept = self.kept
        time.sleep(0.001)
        return kept

    @grad.setter
    def grad(self, value):
        self.kept = value


def test_threads_that_share_a_leaf_lose_no_gradient():
    shared = SlowLeaf(np.zeros(2, np.float32), requires_grad=True)

    def add():
        for _ in range(5):
            (shared * 1.0).sum().backward()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.grad.numpy().tolist() == [20, 20]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_does_not_wait_for_a_thread_of_its_parent():
    with autograd._accumulating:  # as another thread may when the process is forked
        child = os.fork()
        if not child:
            signal.alarm(10)
            leaf().sum().backward()
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
