"""``mpiexec -n N python -m tests.minigrad.distributed.sums_on_gpus``: two sums, or why not.

Rank 0 prints the bytes of both sums, after the backward pass and beside it, as hexadecimal numbers.
"""

import numpy as np

import minigrad as mg
from minigrad import backend, distributed
from minigrad.distributed import DistributedError, OverlappedSum, PairwiseSum, add_arrays


def weight_and_images(rank):
    rng = np.random.default_rng(rank)
    return np.full((5, 3), 0.1, np.float32), rng.standard_normal((2, 5)).astype(np.float32)


def main():
    team = distributed.world()
    try:
        distributed.choose_gpu(team)
    except DistributedError as error:
        if team.leads:
            print(error)
        return
    device = backend.get("cuda")
    array, images = map(device.xp.asarray, weight_and_images(team.rank))
    weight = mg.Tensor(array, requires_grad=True)
    overlapped = OverlappedSum(team, [weight])

    def backward():
        weight.grad = None
        (mg.Tensor(images) @ weight).sum().backward()

    backward()
    gradients = PairwiseSum(add_arrays, team.rank)
    gradients.put([weight.grad.data])
    results = team.sum(gradients.nodes, [weight.data])
    overlapped.begin([True] * team.size)
    backward()
    results += overlapped.finish()
    if team.leads:
        print(*(array.get().tobytes().hex() for array in results))


if __name__ == "__main__":
    main()
