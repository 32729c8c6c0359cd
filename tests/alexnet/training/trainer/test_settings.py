"""Settings of the loss, the gradients and the order of the images, in a tiny run."""

import numpy as np
import pytest

from alexnet.training.loss import TrainingLoss
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
        "settings": {"clip_grad_norm": 0.3},
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
