"""The comparison of estimated and measured memory, without a training."""

import pytest

from alexnet.errors import Failed
from alexnet.model import AlexNet
from alexnet.training import memory_plan
from alexnet.training.settings import Settings
from benchmarks import memory


def test_the_estimate_is_what_a_dry_run_prints():
    settings = Settings(image_size=67, batch_size=8)
    made = memory_plan.make(AlexNet(10, 67, width=0.1), settings)
    printed = memory_plan.describe(made, None, 10**9, None, 1)
    assert 1e9 * float(memory.ESTIMATE.search(printed)[1]) == pytest.approx(made.memory, abs=5e6)


def test_error_is_relative_to_what_was_measured():
    assert memory.Result(8, 1.1e9, 10**9).error == pytest.approx(0.1)


def test_a_training_that_fails(capsys):
    assert memory.main(["--batches", "8", "--", "--image-size", "5"]) == 1
    *_, said, error = capsys.readouterr().err.splitlines()
    assert "image_size must be at least 67" in said
    assert error == "error: a training ended with exit code 2, see above"
    with pytest.raises(Failed, match="exit code 2, see above"):
        memory.peak(memory.command(8, ["--image-size", "5"]), compiles=False)
    assert "image_size must be at least 67" in capsys.readouterr().err
