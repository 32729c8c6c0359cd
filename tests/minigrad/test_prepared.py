"""Weights that are prepared once, and what of it is seen: nothing but the time."""

import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim
from minigrad.kernels.conv2d import cpu_direct, cpu_winograd
from minigrad.kernels.shared import matmul


@pytest.fixture
def preparations(monkeypatch):
    """The names of the functions that prepare weights, once for each call."""
    calls = []

    def count(module, name):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a: calls.append(name) or function(*a))

    count(cpu_winograd, "transform_filters")
    count(cpu_direct, "_weight_panels")
    count(matmul, "bfloat16_rows")
    return calls


@pytest.fixture
def model():
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),  # the direct path
        nn.Conv2d(8, 32, 2),
        nn.Conv2d(32, 32, 3, padding=1),  # Winograd's
        nn.Flatten(),
        nn.Linear(32 * 15 * 15, 4),
    )


IMAGES = np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_weights_are_prepared_once_and_the_bits_stay(bfloat16, model, preparations):
    weights, images = mg.PreparedWeights(), mg.tensor(IMAGES)
    with mg.no_grad(), mg.autocast(enabled=bfloat16):
        expected = model(images).numpy()
        preparations.clear()
        with weights.in_use():
            assert model(images).numpy().tobytes() == expected.tobytes()
            first = sorted(preparations)
            assert {"transform_filters", "_weight_panels"} <= set(first)
            assert ("bfloat16_rows" in first) == bfloat16
            for _ in range(2):
                assert model(images).numpy().tobytes() == expected.tobytes()
        assert sorted(preparations) == first, "once"
        model(images)
        assert len(preparations) > len(first), "outside of the block as ever"


def test_an_optimizers_step_is_noticed(model):
    weights, images = mg.PreparedWeights(), mg.tensor(IMAGES)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    with weights.in_use():
        before = model(images).numpy()
        F.cross_entropy(model(images), np.arange(4)).backward()
        optimizer.step()
        after = model(images).numpy()
    assert (before != after).all()
    assert after.tobytes() == model(images).numpy().tobytes()


@pytest.mark.parametrize("way", ["optimizer", "load_state_dict"])
def test_a_change_of_few_numbers_is_noticed(way):
    """Of one column of a thousand, as where all other inputs are dead: no sample is in it."""
    pixels = np.zeros((2, 1000), np.float32)
    pixels[:, 1] = 1
    images, layer, weights = mg.tensor(pixels), nn.Linear(1000, 40), mg.PreparedWeights()
    state = {name: array.copy() for name, array in layer.state_dict().items()}
    state["weight"][:, 1] += 1
    with mg.autocast():
        with weights.in_use():
            before = layer(images)
            if way == "optimizer":
                before.sum().backward()
                optim.SGD([layer.weight], lr=0.1).step()
            else:
                layer.load_state_dict(state)
            after = layer(images).numpy()
        assert (after != before.numpy()).all()
        np.testing.assert_array_equal(after, layer(images).numpy())


def test_forms_differ_by_all_that_they_depend_on():
    """One weight, used in several ways in turn: in each it has a form of its own."""
    rng = np.random.default_rng(1)
    weight = mg.Tensor(rng.standard_normal((64, 64, 3, 3), np.float32))
    narrow = mg.Tensor(rng.standard_normal((5, 3, 3, 3), np.float32))  # the direct path
    shapes = [(1, 64, 5, 5), (1, 64, 40, 40), (2, 64, 8, 8)]
    images = [mg.tensor(rng.standard_normal(shape, np.float32)) for shape in shapes]
    few = mg.tensor(rng.standard_normal((2, 3, 6, 6), np.float32))
    chosen = {
        cpu_winograd.best_algorithm((N, H, W, 64), weight.shape, (1, 1), 1, np.dtype("f"), bfloat16)
        for N, _, H, W in shapes
        for bfloat16 in (False, True)
    }
    assert len(chosen) == 3

    def outputs():
        for enabled in (False, True):
            with mg.no_grad(), mg.autocast(enabled=enabled):
                yield from (F.conv2d(x, weight, padding=1) for x in images)
                yield from (F.conv2d(x, narrow, stride=s) for x in (few, few) for s in (1, 2))

    expected = [output.numpy() for output in outputs()]
    with mg.PreparedWeights().in_use():
        for _ in range(2):
            for actual, output in zip(outputs(), expected, strict=True):
                assert actual.numpy().tobytes() == output.tobytes()


@pytest.mark.parametrize("kind", ["read-only", "computed"])
def test_forms_of_weights_that_are_gone_are_gone(kind):
    layer, images = nn.Conv2d(3, 8, 3), mg.tensor(IMAGES)
    weights, array = mg.PreparedWeights(), layer.weight.numpy().copy()
    array.flags.writeable = False
    if kind == "read-only":
        layer.load_state_dict({"weight": array, "bias": layer.bias.numpy()}, assign=True)
    mask = mg.tensor((array > 0).astype(np.float32))
    with mg.no_grad(), weights.in_use():
        for _ in range(5):
            if kind == "read-only":
                layer(images)
            else:
                F.conv2d(images, layer.weight * mask)
    assert len(weights._kept._forms) <= 1


@pytest.mark.parametrize("bfloat16", [False, True])
def test_gradients_are_the_same(bfloat16, model):
    gradients = []
    for weights in (None, mg.PreparedWeights()):
        for _ in range(2):
            images = mg.tensor(IMAGES, requires_grad=True)
            with mg.autocast(enabled=bfloat16):
                if weights is None:
                    model(images).sum().backward()
                else:
                    with weights.in_use():
                        model(images).sum().backward()
            gradients.append(images.grad.numpy().tobytes())
    assert len(set(gradients)) == 1


def test_two_weights_of_one_shape_are_told_apart():
    weights = mg.PreparedWeights()
    with mg.no_grad(), weights.in_use():
        for value in (1, 2, 3):
            # Each may get the memory that the one before has left.
            weight = np.full((4, 3, 2, 2), value, np.float32)
            output = F.conv2d(mg.tensor(IMAGES), mg.Tensor(weight)).numpy()
            expected = F.conv2d(mg.tensor(IMAGES), mg.Tensor(weight.copy())).numpy()
            np.testing.assert_array_equal(output, expected)


def test_it_holds_for_the_thread_that_enters_it(model, preparations):
    weights, images = mg.PreparedWeights(), mg.tensor(IMAGES)
    with mg.no_grad(), weights.in_use():
        model(images)
        first = len(preparations)
        thread = threading.Thread(target=model, args=(images,))
        thread.start()
        thread.join()
    assert len(preparations) > first
