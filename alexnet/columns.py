"""The paper's two columns on two processes, which exchange arrays where the paper's GPUs did.

Each process holds one column: half of the kernels of conv1 to conv5, and half of the units of fc6
to fc8. Both get the same images. A layer that sees only its own column needs nothing of the other
process; before the others the two exchange what they have:

    before              each gives the other
    norm1, norm2        the 2 channels next to the other column
    conv3               the output of pool2
    fc6, fc7, fc8       the output of pool5, drop6, drop7
    the loss            its classes' scores

The way back exchanges gradients of the same shapes, except for the scores: both processes compute
the loss of all classes, and each goes back from its own ones.

The result is that of the grouped network (`alexnet.model.AlexNet`), in all its variants with two
groups; without conv3 no process sees the other's channels before fc6. By default its normalization
runs across the boundary of the columns. The paper's GPUs normalized within theirs: section 3.5 lets
them communicate only at conv3 and the fully connected layers. So does a network with `ColumnNorm`
(--norm code2012), in which each process normalizes its own channels and nothing is exchanged.
"""

import copy
from typing import Any

import numpy as np

from alexnet.errors import DataError
from alexnet.model import AlexNet
from alexnet.model.layers import ColumnNorm
from minigrad import Tensor, nn
from minigrad import functional as F
from minigrad.autograd import Function
from minigrad.backend import Backend
from minigrad.distributed import Team, by_all_processes

State = dict[str, Any]


class Exchange(Function):
    """Gives the other process an array, and returns the one of the same shape that it gives.

    Exchanging is its own derivative: the gradient of what came belongs to the other process, which
    sends the gradient of what was given.
    """

    @staticmethod
    def forward(ctx, input, *, team):
        ctx.team = team
        return _exchange(ctx.backend, input, team)

    @staticmethod
    def backward(ctx, grad_output):
        return _exchange(ctx.backend, grad_output, ctx.team)


def _exchange(device: Backend, array: Any, team: Team) -> Any:
    """Send an array and get one, images with their channels last in memory."""
    return device.channels_first(team.exchange(device.channels_last(array), 1 - team.rank))


class Column(nn.Module):
    """One column of an AlexNet: column 1 on process 0, column 2 on process 1.

    Layers and parameters have the names that they have in the grouped network. Calling it is
    collective, and so is the backward pass: both processes do both, in the same order.

    Args:
        network: whose parameters' halves are copied; see `half`.
        team: two processes, which hold the same network.
    """

    def __init__(self, network: AlexNet, team: Team):
        if team.size != 2:
            raise ValueError(f"Column: two columns need a team of 2 processes, got {team.size}")
        self.team = team
        self.layer_names = network.layer_names
        self.num_classes = len(network.classifier[-1].bias)
        self.features = nn.Sequential(*(self._half(step) for step in network.features.steps))
        self.classifier = nn.Sequential(*map(self._half, network.classifier))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S), the same on both processes, to scores (N, num_classes) of all.

        Raises:
            DataError: the processes have got different numbers of images.
        """
        self._require_same(images)
        x = images
        for step in self.features.steps:
            layer = step.layers[0] if isinstance(step, nn.Fused) else step
            if isinstance(layer, nn.LocalResponseNorm):
                x = self._normalized(step, layer.size, x)
                continue
            if isinstance(layer, nn.Conv2d) and layer.in_channels != x.shape[1]:
                x = self._of_both(x)  # conv3
            x = step(x)
        flatten, fc6, relu6, drop6, fc7, relu7, drop7, fc8 = self.classifier
        x = self._of_both(flatten(x))
        x = self._of_both(self._dropped(drop6, relu6(fc6(x))))
        x = self._of_both(self._dropped(drop7, relu7(fc7(x))))
        return self._scores(fc8(x))

    def _require_same(self, images: Tensor) -> None:
        counts = self.team.gather(len(images))
        if counts[0] != counts[1]:
            with by_all_processes():
                raise DataError(
                    f"both columns need the same images, but process 0 has {counts[0]} of a batch "
                    f"and process 1 has {counts[1]}: some image could be read by one of them only"
                )

    def _of_both(self, own: Tensor) -> Tensor:
        """The channels, or units, of both columns."""
        return self._in_order(own, Exchange.apply(own, team=self.team))

    def _normalized(self, norm: nn.Module, size: int, own: Tensor) -> Tensor:
        """Apply a layer that begins with a normalization over `size` channels.

        It sees the channels of the other column that are next to ours.
        """
        reach, channels = size // 2, own.shape[1]
        if not reach:
            return norm(own)
        edge = own[:, -reach:] if self.team.rank == 0 else own[:, :reach]
        wider = self._in_order(own, Exchange.apply(edge, team=self.team))
        return self._own(norm(wider), channels)

    def _dropped(self, dropout: nn.Dropout, own: Tensor) -> Tensor:
        """Draw the mask of the whole layer, as the grouped network does, and apply our half."""
        units = own.shape[1]
        whole = F.pad(own, (0, units) if self.team.rank == 0 else (units, 0))
        return self._own(dropout(whole), units)

    def _scores(self, own: Tensor) -> Tensor:
        """The scores of all classes; those of the other process are constants here.

        Of an odd number of classes process 0 has one more, and process 1 sends one more column.
        """
        others = self.num_classes - own.shape[1]
        sent = F.pad(own.detach(), (0, max(0, others - own.shape[1])))
        return self._in_order(own, Exchange.apply(sent, team=self.team)[:, :others])

    def _in_order(self, own: Tensor, other: Tensor) -> Tensor:
        """Two arrays side by side along axis 1, that of process 0 first."""
        return F.concatenate([own, other] if self.team.rank == 0 else [other, own], dim=1)

    def _own(self, wider: Tensor, channels: int) -> Tensor:
        """This process's channels of an array in the order of `_in_order`."""
        return wider[:, :channels] if self.team.rank == 0 else wider[:, -channels:]

    def _half(self, layer: nn.Module) -> nn.Module:
        """A copy of a layer for one column, with half of its parameters."""
        if isinstance(layer, nn.Fused):
            return nn.Fused(*map(self._half, layer.layers))
        column = copy.copy(layer)
        for name, parameter in layer.named_parameters():
            setattr(column, name, nn.Parameter(half(parameter.data, self.team.rank).copy()))
        if isinstance(column, ColumnNorm):
            column.columns = 1
        elif isinstance(column, nn.Conv2d):
            column.in_channels //= column.groups
            column.out_channels, column.groups = len(column.weight), 1
        elif isinstance(column, nn.Linear):
            column.out_features = len(column.weight)
        return column


def half(array: Any, rank: int) -> Any:
    """What a process has of a parameter: half of it along axis 0, the outputs of its layer.

    Of an odd number process 0 has one more. An array without axes, such as the number of Adam's
    steps, is the same on both processes.
    """
    if not array.ndim:
        return array
    middle = -(-len(array) // 2)
    return array[middle:] if rank else array[:middle]


def own_state(model: nn.Module, whole: State) -> State:
    """What a model has of the state of its network, or of that one's optimizer, by name.

    A `Column` has a half of every array, any other model all of it.
    """
    if not isinstance(model, Column):
        return whole
    return {name: half(array, model.team.rank) for name, array in whole.items()}


def whole_state(model: nn.Module, own: State) -> State:
    """The inverse of `own_state`; for a `Column` collective, and both processes get it."""
    if not isinstance(model, Column):
        return own
    return {name: _joined(array, model.team) for name, array in own.items()}


def _joined(own: np.ndarray, team: Team) -> np.ndarray:
    """Both halves of an array, which are sent without being copied into messages."""
    if not own.ndim:
        return own
    rows = team.gather(len(own))
    sent = own
    if missing := max(rows) - len(own):
        sent = np.concatenate([own, np.zeros((missing, *own.shape[1:]), own.dtype)])
    other = team.exchange(np.ascontiguousarray(sent), 1 - team.rank)[: rows[1 - team.rank]]
    return np.concatenate([own, other] if team.rank == 0 else [other, own])
