"""Settings of the loss, the gradients and the order of the images, in a tiny run."""

import numpy as np
import pytest

from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.loss import TrainingLoss
from alexnet.training.trainer import Observer
from minigrad import optim
from tests.alexnet.training.trainer.tiny import EPOCHS, STEPS_PER_EPOCH, assert_same_result

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = np.array([0.5, 3.0, 1.0])


def weights_of(trainer):
    return {name: p.data.copy() for name, p in trainer.model.named_parameters()}


def test_twenty_steps_are_those_of_pytorch(torch, new_trainer):
    """Weighted classes, smoothed labels, clipped gradients, Nesterov's momentum."""
    trainer = new_trainer(
        dropout=0.0, loss=TrainingLoss(WEIGHTS, 0.1), settings={"clip_grad_norm": 0.3}
    )
    weights, biases = (group["params"] for group in trainer.optimizer.groups)
    groups = [{"params": weights}, {"params": biases, "lr": 0.04, "weight_decay": 0.0}]
    trainer.optimizer = optim.SGD(groups, 0.02, 0.9, 5e-4, nesterov=True)
    trainer.schedule = optim.Schedule(trainer.optimizer)
    theirs = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Identity()),
        torch.nn.Linear(32, 3),
    )
    start = {name: torch.tensor(array) for name, array in weights_of(trainer).items()}
    theirs.load_state_dict(start)
    groups = [
        {"params": [theirs[0].weight, theirs[4].weight]},
        {"params": [theirs[0].bias, theirs[4].bias], "lr": 0.04, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, 0.02, 0.9, weight_decay=5e-4, nesterov=True)
    loss = torch.nn.CrossEntropyLoss(
        torch.tensor(WEIGHTS, dtype=torch.float32), label_smoothing=0.1
    )
    losses, clipped = [], 0
    for epoch in range(7):
        for batch in trainer.train_loader.batches(epoch):
            images = torch.tensor(batch.prepare(trainer.backend))
            optimizer.zero_grad()
            value = loss(theirs(images), torch.tensor(batch.labels))
            value.backward()
            clipped += torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.3).item() > 0.3
            optimizer.step()
            losses.append(value.item())
    assert 5 < clipped
    trainer.fit(7)
    for name, array in weights_of(trainer).items():
        expected = theirs.state_dict()[name].numpy()
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5, err_msg=name)
        assert not np.allclose(array, start[name].numpy(), atol=1e-3)
    assert len(losses) == 7 * STEPS_PER_EPOCH


@pytest.mark.parametrize("parts", [2, 4])
def test_the_parts_of_a_batch_weigh_what_their_images_weigh(new_trainer, parts):
    options = {"loss": TrainingLoss(WEIGHTS), "dropout": 0.0}
    whole, divided = new_trainer(**options), new_trainer(**options, accumulate=parts)
    for trainer in (whole, divided):
        trainer.fit(1)
    for name, array in weights_of(divided).items():
        np.testing.assert_allclose(array, weights_of(whole)[name], rtol=1e-5, atol=1e-7)
    losses = [trainer.log.rows[0]["train_loss"] for trainer in (whole, divided)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_equal_weights_are_none(new_trainer):
    losses = []
    for weights in (None, np.ones(3), np.full(3, 5.0)):
        trainer = new_trainer(loss=TrainingLoss(weights))
        trainer.fit(1)
        losses.append(trainer.log.rows[0]["train_loss"])
    assert losses[1:] == pytest.approx(2 * losses[:1], rel=1e-6)


@pytest.mark.parametrize("step", [1, 4, 5])
def test_stopped_and_continued_with_all_of_them(new_trainer, continued, step):
    options = {
        "loss": TrainingLoss(WEIGHTS, 0.1),
        "settings": {"clip_grad_norm": 0.3, "ema": 0.8},
        "balanced": True,
    }
    undisturbed = new_trainer(**options)
    assert undisturbed.fit(EPOCHS)
    folder = new_trainer(**options).folder
    trainer = continued(folder, **options)
    assert not trainer.fit(EPOCHS, max_steps=step)
    trainer = continued(folder, **options)
    assert trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)


def test_the_average_is_validated_and_kept(new_trainer):
    """The parameters go on learning as in a run without it."""
    plain = new_trainer()
    plain.fit(EPOCHS)
    expected = []
    averaged = new_trainer(settings={"ema": 0.8}, observers=[Averages(expected, 0.8)])
    averaged.fit(EPOCHS)
    for name, array in weights_of(averaged).items():
        assert np.array_equal(array, weights_of(plain)[name])
    kept = Checkpoint.load(averaged.folder / LAST)
    for name, array in kept.model.items():
        np.testing.assert_allclose(array, expected[-1][name], rtol=1e-5, atol=1e-6)
        assert not np.array_equal(array, weights_of(plain)[name])
    rows, others = averaged.log.rows, plain.log.rows
    assert rows[0]["train_loss"] == others[0]["train_loss"]
    assert rows[-1]["val_loss"] != others[-1]["val_loss"]
    averaged.model.load_state_dict(kept.model)
    averaged.average = None
    assert averaged.validate().mean_loss == rows[-1]["val_loss"]


class Averages(Observer):
    """Computes the average of the parameters after each step, beginning with the first."""

    def __init__(self, averages, decay):
        self.averages, self.decay = averages, decay

    def after_step(self, trainer, step):
        now = {name: array.astype(np.float64) for name, array in weights_of(trainer).items()}
        if self.averages:
            before, share = self.averages[-1], self.decay
            now = {name: share * before[name] + (1 - share) * now[name] for name in now}
        self.averages.append(now)


def test_an_average_may_begin_and_end_where_a_run_is_continued(new_trainer, continued):
    folder = new_trainer().folder
    continued(folder).fit(EPOCHS, max_steps=4)
    trainer = continued(folder, settings={"ema": 0.5})
    assert not trainer.average.has_begun
    trainer.fit(EPOCHS, max_steps=6)
    own = weights_of(trainer)
    assert not np.array_equal(Checkpoint.load(folder / LAST).model["4.weight"], own["4.weight"])
    trainer = continued(folder)
    assert all(np.array_equal(array, own[name]) for name, array in weights_of(trainer).items())
    trainer.fit(EPOCHS)
    kept = Checkpoint.load(folder / LAST).model["4.weight"]
    assert np.array_equal(kept, weights_of(trainer)["4.weight"])
