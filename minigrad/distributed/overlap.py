"""Sums of gradients over GPUs, on a stream of their own, while the backward pass goes on.

The backward pass begins with the last layers. Those of AlexNet have 96 percent of the parameters,
and take a few percent of the time, so that their gradients travel while the convolutions compute:

    compute    backward of fc8, fc7, fc6, conv5, ... conv1 |             | update
    sums                  fc8, fc7, fc6, conv5 to conv3,     conv2, conv1

Both streams use the same memory, so each waits for the other: the sums for the gradients that they
add, and the update for the sums. A gradient is kept until then, even if its parameter has no use
for it any more: the pool would hand out its memory to the stream that computes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from minigrad.backend import backend_of
from minigrad.distributed.mpi import MpiTeam
from minigrad.distributed.pairs import Node
from minigrad.distributed.reduction import Layout, Reduction

BUCKET_BYTES = 8 << 20  # far more than a GPU sends in the time that a message takes to begin


class OverlappedSum:
    """Adds the gradients of a backward pass over all processes, with the bits of `Team.sum`.

    Args:
        parameters: tensors on a GPU, in the order of the network; all of one type.
    """

    def __init__(self, team: MpiTeam, parameters: Sequence[Any]):
        self._team, self._parameters = team, parameters
        self._device = backend_of(parameters[0].data)
        self._stream = self._device.xp.cuda.Stream(non_blocking=True)
        self._buckets = list(_buckets(parameters))
        self._reduction: Reduction | None = None  # of the backward pass under way
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._take)

    def begin(self, has_images: Sequence[bool]) -> None:
        """Add the gradients of the next backward pass, which this process makes or not.

        Args:
            has_images: for each process, by rank, whether it has a part of the batch. Each part is
                one term of the sum. Of a process that has one and makes no backward pass, all
                gradients are zero.
        """
        layouts = [[Layout(rank, 1, is_there)] for rank, is_there in enumerate(has_images)]
        transport = self._team.transport(self._device)
        self._reduction = Reduction(self._team.rank, layouts, transport)
        self._has_images = has_images[self._team.rank]
        self._arrays: dict[int, Any] = {}  # by the identity of the parameter
        self._begun = 0  # buckets

    def finish(self) -> list[Any]:
        """The sums, one array for each parameter, for the current stream."""
        for parameter in self._parameters:
            if id(parameter) not in self._arrays:
                self._arrays[id(parameter)] = self._device.xp.zeros_like(parameter.data)
        self._begin_buckets()
        self._reduction = None
        self._device.xp.cuda.get_current_stream().wait_event(self._stream.record())
        return [self._arrays.pop(id(parameter)) for parameter in self._parameters]

    def _take(self, parameter: Any) -> None:
        """The hook of a parameter: its gradient is complete."""
        if self._reduction is not None:
            self._arrays[id(parameter)] = self._device.contiguous(parameter.grad.data)
            self._begin_buckets()

    def _begin_buckets(self) -> None:
        """Begin to add all buckets that can be; in the order that all processes have."""
        for bucket in self._buckets[self._begun :]:
            if not all(id(parameter) in self._arrays for parameter in bucket):
                return
            self._add([self._arrays[id(parameter)] for parameter in bucket])
            self._begun += 1

    def _add(self, arrays: list[Any]) -> None:
        """Begin to add a bucket, in place."""
        assert self._reduction is not None
        self._stream.wait_event(self._device.xp.cuda.get_current_stream().record())
        node = Node(self._team.rank, 1, arrays if self._has_images else None)
        with self._stream:
            self._reduction.run([node], arrays)


def _buckets(parameters: Sequence[Any]) -> Iterator[list[Any]]:
    """Parameters that are added together, the last ones first."""
    bucket: list[Any] = []
    for parameter in reversed(parameters):
        bucket.append(parameter)
        if sum(parameter.data.nbytes for parameter in bucket) >= BUCKET_BYTES:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
