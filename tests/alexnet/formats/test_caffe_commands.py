"""A file of Caffe in the place of a checkpoint: to predict with, and to begin a run with."""

import numpy as np
import pytest

from alexnet import predict, train
from alexnet.formats.load import load
from alexnet.run.checkpoint import LAST, Checkpoint
from tests.alexnet.formats import caffe_files
from tests.alexnet.runs import CLASSES, resume

NETWORK = {"norm": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}, "pool_before_norm": True}


@pytest.fixture
def caffemodel(tmp_path):
    parameters = caffe_files.random_parameters(np.random.default_rng(0), size=67)
    path = tmp_path / "caffenet.caffemodel"
    path.write_bytes(caffe_files.net(parameters, size=67, pool_first=True))
    return path


def test_prediction(narrow, caffemodel, photos, capfd):
    assert predict.main([str(caffemodel), str(photos / CLASSES[0] / "0.png")]) == 0
    out, err = capfd.readouterr()
    assert "class 0" in out and "class 2" in out
    assert "ImageNet's mean color is taken" in err


def test_fine_tuning_on_other_classes_and_its_continuation(start, caffemodel, tmp_path, capfd):
    options = "--init-from", str(caffemodel), "--lr", "1e-9"
    assert start(tmp_path / "whole", *options, "--max-steps", "3") == 0
    assert "14 of 16 parameters taken; classifier.7.weight, classifier.7.bias" in (
        capfd.readouterr().err
    )
    source = load(caffemodel)
    whole = Checkpoint.load(tmp_path / "whole" / LAST)
    assert whole.network == source.network == NETWORK
    assert whole.preprocessing == source.preprocessing
    assert whole.classes == list(CLASSES)
    for name, array in source.model.items():
        if not name.startswith("classifier.7."):
            np.testing.assert_allclose(whole.model[name], array, atol=1e-6, err_msg=name)
    assert start(tmp_path / "run", *options, "--max-steps", "1") == 0
    caffemodel.unlink()  # the run has all that it needs
    assert resume(tmp_path / "run", "--max-steps", "3") == 0
    continued = Checkpoint.load(tmp_path / "run" / LAST)
    for name, array in whole.model.items():
        np.testing.assert_array_equal(continued.model[name], array)


def test_another_file_is_refused_in_one_line(narrow, caffemodel, photos, error_of, tmp_path):
    caffemodel.write_bytes(caffemodel.read_bytes()[:-100_000])
    code, message = error_of(predict.main, [str(caffemodel), str(photos)])
    assert (code, message) == (4, f"{caffemodel} is damaged, or no file of Caffe")
    options = "--data-root", str(photos), "--out", str(tmp_path / "run")
    code, message = error_of(train.main, [*options, "--init-from", str(caffemodel)])
    assert (code, message) == (4, f"{caffemodel} is damaged, or no file of Caffe")
    assert not (tmp_path / "run").exists()
