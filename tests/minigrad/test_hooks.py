"""Hooks of leaves, which are called when the gradient of a backward pass is complete."""

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg


@pytest.fixture
def leaf():
    return mg.Tensor(np.array([1.0, 2.0]), requires_grad=True)


def test_hook_sees_the_complete_gradient(leaf):
    seen = []
    leaf.register_post_accumulate_grad_hook(lambda tensor: seen.append((tensor, tensor.grad)))
    (leaf * leaf + 3 * leaf).sum().backward()
    assert len(seen) == 1 and seen[0][0] is leaf and seen[0][1] is leaf.grad
    assert leaf.grad.numpy().tolist() == [5, 7]


def test_hook_is_called_by_each_backward_pass_with_the_sum(leaf):
    seen = []
    leaf.register_post_accumulate_grad_hook(lambda tensor: seen.append(tensor.grad.numpy()[0]))
    for _ in range(2):
        leaf.sum().backward()
    assert seen == [1, 2]


def test_hooks_of_the_last_layer_are_called_before_the_first_is_computed():
    weights = [mg.Tensor(np.eye(2), requires_grad=True) for _ in range(3)]
    order = []
    for number, weight in enumerate(weights):
        weight.register_post_accumulate_grad_hook(
            lambda tensor, number=number: order.append(
                (number, [weight.grad is not None for weight in weights])
            )
        )
    x = mg.Tensor(np.ones((1, 2)))
    for weight in weights:
        x = x @ weight
    x.sum().backward()
    assert order == [
        (2, [False, False, True]),
        (1, [False, True, True]),
        (0, [True, True, True]),
    ]


def test_hooks_are_called_in_their_order_and_taken_away(leaf):
    called = []
    first = leaf.register_post_accumulate_grad_hook(lambda tensor: called.append(1))
    leaf.register_post_accumulate_grad_hook(lambda tensor: called.append(2))
    leaf.sum().backward()
    first.remove()
    first.remove()
    leaf.sum().backward()
    assert called == [1, 2, 2]


def test_hook_may_clear_the_gradient(leaf):
    """As an optimizer that updates each parameter at once."""
    leaf.register_post_accumulate_grad_hook(lambda tensor: setattr(tensor, "grad", None))
    leaf.sum().backward()
    assert leaf.grad is None


def test_hook_may_go_back_through_another_graph(leaf):
    other = mg.Tensor(np.ones(2), requires_grad=True)
    leaf.register_post_accumulate_grad_hook(lambda tensor: other.sum().backward())
    leaf.sum().backward()
    assert other.grad.numpy().tolist() == [1, 1]


def test_copy_has_no_hooks(leaf):
    called = []
    leaf.register_post_accumulate_grad_hook(called.append)
    for other in (copy.deepcopy(leaf), pickle.loads(pickle.dumps(leaf))):
        other.sum().backward()
        assert other.grad is not None and not called


def test_only_leaves_that_require_a_gradient_have_hooks(leaf):
    for tensor in (leaf * 2, mg.Tensor(np.ones(2))):
        with pytest.raises(RuntimeError, match="leaves that require a gradient"):
            tensor.register_post_accumulate_grad_hook(print)
