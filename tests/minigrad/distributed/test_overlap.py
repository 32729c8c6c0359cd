"""Sums that begin during the backward pass have the bits of those that begin after it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.distributed import OverlappedSum, PairwiseSum, add_arrays, overlap
from tests.minigrad.distributed import mpi_of_threads

SIZES = (6, 5, 4, 3)


class Network:
    """Layers of matrix products, and for each rank images of its own."""

    def __init__(self, device, rank):
        rng = np.random.default_rng(0)
        pairs = zip(SIZES, SIZES[1:])
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in pairs]
        self.weights = [mg.Tensor(device.xp.asarray(array), True) for array in arrays]
        images = np.random.default_rng(rank).standard_normal((2, SIZES[0])).astype(np.float32)
        self.images = mg.Tensor(device.xp.asarray(images))

    def backward(self):
        x = self.images
        for weight in self.weights:
            x = (x @ weight) * 0.5
        x.sum().backward()


def sum_afterwards(team, network, has_images):
    total = PairwiseSum(add_arrays, team.rank)
    if has_images[team.rank]:
        network.backward()
        total.put([weight.grad.data for weight in network.weights])
    else:
        total.put(None)
    like = [weight.data for weight in network.weights]
    return [array.get() for array in team.sum(total.nodes, like)]


@pytest.fixture(params=[1, 100, 8 << 20], ids=["a bucket for each", "two buckets", "one bucket"])
def bucket_bytes(request, monkeypatch):
    monkeypatch.setattr(overlap, "BUCKET_BYTES", request.param)


@pytest.mark.parametrize(
    "has_images", [(True, True), (True, False), (False, True, True), (True,) * 4], ids=str
)
def test_bits_of_the_sum_after_the_backward_pass(cuda, bucket_bytes, has_images):
    def work(team):
        network = Network(cuda, team.rank)
        expected = sum_afterwards(team, network, has_images)
        sums = OverlappedSum(team, network.weights)
        for _ in range(2):
            for weight in network.weights:
                weight.grad = None
            sums.begin(has_images)
            if has_images[team.rank]:
                network.backward()
            arrays = sums.finish()
            # What an optimizer does: reads the sums, on the stream that computes.
            assert all(
                (array * 1).get().tobytes() == wanted.tobytes()
                for array, wanted in zip(arrays, expected, strict=True)
            )
        return True

    assert all(mpi_of_threads.run(len(has_images), work))


def test_sums_begin_during_the_backward_pass(cuda, monkeypatch):
    monkeypatch.setattr(overlap, "BUCKET_BYTES", 1)

    def work(team):
        network = Network(cuda, team.rank)
        sums, begun = OverlappedSum(team, network.weights), []
        for weight in network.weights:
            weight.register_post_accumulate_grad_hook(lambda tensor: begun.append(sums._begun))
        sums.begin((True, True))
        network.backward()
        sums.finish()
        return begun

    assert mpi_of_threads.run(2, work) == [[1, 2, 3]] * 2


def test_rank_that_makes_no_backward_pass_adds_nothing(cuda):
    """As one whose loss is not finite: the others must not wait for it."""
    alone = Network(cuda, rank=0)
    alone.backward()
    expected = [weight.grad.numpy() for weight in alone.weights]

    def work(team):
        network = Network(cuda, team.rank)
        sums = OverlappedSum(team, network.weights)
        sums.begin((True, True))
        if team.rank == 0:
            network.backward()
        return [array.get() for array in sums.finish()]

    for arrays in mpi_of_threads.run(2, work):
        for array, wanted in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array, wanted)


def test_gradients_live_until_they_are_added(cuda):
    """Though nobody else keeps them, and the backward pass needs memory."""

    def work(team):
        network = Network(cuda, team.rank)
        sums = OverlappedSum(team, network.weights)
        for weight in network.weights:
            weight.register_post_accumulate_grad_hook(lambda tensor: setattr(tensor, "grad", None))
        sums.begin((True, True))
        network.backward()
        return [array.get() for array in sums.finish()]

    first, second = mpi_of_threads.run(2, work)
    expected = mpi_of_threads.run(
        2, lambda team: sum_afterwards(team, Network(cuda, team.rank), (True, True))
    )[0]
    for one, other, wanted in zip(first, second, expected, strict=True):
        assert one.tobytes() == other.tobytes() == wanted.tobytes()


def test_backward_passes_without_begin_add_nothing(cuda):
    def work(team):
        network = Network(cuda, team.rank)
        OverlappedSum(team, network.weights)
        network.backward()
        return network.weights[0].grad.numpy()

    first, second = mpi_of_threads.run(2, work)
    assert (first != second).any()
