"""What decides about the numbers of a run, and what must not."""

import numba
import pytest

from tests.alexnet.training.trainer.tiny import EPOCHS, STEPS, assert_same_result

pytestmark = pytest.mark.usefixtures("one_thread")


def test_any_number_of_threads_gives_the_same_run(new_trainer, undisturbed):
    numba.set_num_threads(2)
    trainer = new_trainer()
    trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_run(new_trainer, undisturbed, workers):
    trainer = new_trainer(workers=workers)
    trainer.fit(EPOCHS)
    assert_same_result(trainer, undisturbed)


def test_another_seed_gives_another_run(new_trainer, undisturbed):
    trainer = new_trainer(seed=2)
    trainer.fit(EPOCHS)
    losses = [[row["train_loss"] for row in t.log.rows] for t in (trainer, undisturbed)]
    assert losses[0] != losses[1]


def test_a_longer_run_continues_with_the_rates_of_a_longer_run(new_trainer, continued):
    folder = new_trainer().folder
    continued(folder).fit(EPOCHS)
    trainer = continued(folder, epochs=2 * EPOCHS)
    assert trainer.schedule.total_steps == 2 * STEPS
    trainer.fit(2 * EPOCHS)
    rates = [row["lr"] for row in trainer.log.rows]
    assert len(rates) == 2 * EPOCHS
    assert rates[EPOCHS] > rates[EPOCHS - 1]
