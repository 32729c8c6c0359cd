"""PyTorch's layers with the weights of ours."""

import pytest

from benchmarks import peer
from minigrad import nn


def test_layer_that_is_not_known(torch):
    with pytest.raises(TypeError, match="no layer of PyTorch is known for Tanh"):
        peer.layer(torch, nn.Tanh())


def test_layer_has_weights_of_its_own(torch):
    ours = nn.Linear(3, 2)
    theirs = peer.layer(torch, ours)
    assert (theirs.weight.detach().numpy() == ours.weight.numpy()).all()
    theirs.weight.data += 1
    assert not (theirs.weight.detach().numpy() == ours.weight.numpy()).any()


def test_every_relu_of_a_network_is_in_place(torch):
    network = nn.Sequential(nn.Fused(nn.Conv2d(1, 1, 1), nn.ReLU()), nn.ReLU())
    assert [m.inplace for m in peer.network(torch, network) if isinstance(m, torch.nn.ReLU)] == [
        True,
        True,
    ]
