"""The moving average of parameters: by hand, against PyTorch, and its state."""

import numpy as np
import pytest

from minigrad import Tensor, nn, optim


def test_by_hand():
    w = nn.Parameter(np.array([2.0]))
    average = optim.ExponentialMovingAverage([w], 0.75)
    with average.in_use():
        assert w.data.tolist() == [2]  # nothing before the first update
    found = []
    for value in (4.0, 8.0, 0.0):
        w.data = np.array([value])
        average.update()
        with average.in_use():
            found.append(w.data[0])
        assert w.data[0] == value
    assert found == [4, 5, 3.75]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_equals_pytorch(torch, rng, cuda, device, dtype, tolerance):
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    theirs = torch.nn.Linear(3, 2).to(torch.from_numpy(np.zeros(1, dtype)).dtype)
    averaged = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    starts = [Tensor(p.detach().numpy().copy()).to(device) for p in theirs.parameters()]
    ours = [nn.Parameter(start.data) for start in starts]
    average = optim.ExponentialMovingAverage(iter(ours), 0.9)
    for _ in range(20):
        for one, other in zip(ours, theirs.parameters()):
            step = rng.standard_normal(one.shape).astype(dtype)
            one.data = one.data + Tensor(step).to(device).data
            other.data += torch.from_numpy(step)
        average.update()
        averaged.update_parameters(theirs)
    with average.in_use():
        for one, other in zip(ours, averaged.module.parameters()):
            assert one.dtype == dtype
            np.testing.assert_allclose(
                one.numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance
            )


def test_the_block_ends_with_an_error():
    w = nn.Parameter(np.array([1.0]))
    average = optim.ExponentialMovingAverage([w], 0.5)
    average.update()
    own = w.data
    with pytest.raises(KeyError), average.in_use():
        raise KeyError
    assert w.data is own


def test_state(rng):
    ours = [nn.Parameter(rng.standard_normal(3)), nn.Parameter(rng.standard_normal((2, 2)))]
    average, other = (optim.ExponentialMovingAverage(ours, 0.5) for _ in range(2))
    assert average.averages() == [] and not average.has_begun
    average.update()
    other.load(average.averages())
    for parameter in ours:
        parameter.data = parameter.data + 1
    average.update(), other.update()
    for one, two in zip(average.averages(), other.averages()):
        assert np.array_equal(one, two)
    with pytest.raises(ValueError, match="the averages belong to other parameters"):
        other.load([np.zeros(3)])


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_wrong_decay(decay):
    with pytest.raises(ValueError, match="EMA: need 0 <= decay <= 1, got "):
        optim.ExponentialMovingAverage([], decay)
