"""`alexnet.formats.load`: what a file holds is found out by its content."""

import numpy as np
import pytest

from alexnet.errors import CheckpointError
from alexnet.formats.load import load
from alexnet.run.checkpoint import BEST, LAST, Checkpoint


def test_run_folder_is_its_best_network(undisturbed):
    assert load(undisturbed).training == Checkpoint.load(undisturbed / BEST).training


def test_state_of_the_optimizer_is_left_out(undisturbed):
    loaded, saved = load(undisturbed / LAST), Checkpoint.load(undisturbed / LAST)
    assert not loaded.optimizer and saved.optimizer
    assert all(np.array_equal(loaded.model[name], saved.model[name]) for name in saved.model)


def test_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no run folder"):
        load(tmp_path)
