"""``--init-from``: a run that begins with the network of another."""

import numpy as np

from alexnet import train
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from tests.alexnet.runs import CLASSES, write_images


def test_fine_tuning(start, undisturbed, tmp_path, capfd, error_of):
    pairs = write_images(tmp_path / "pairs", CLASSES[:2], count=6)
    options = ("--init-from", str(undisturbed), "--data-root", str(pairs), "--max-steps", "1")
    common = ("--data", "folder", "-b", "4", "--lr", "1e-9")
    folder = tmp_path / "pairs-run"
    assert train.main([*common, "--out", str(folder), *options]) == 0
    printed = capfd.readouterr().err
    assert "14 of 16 parameters taken; " in printed
    best, first = Checkpoint.load(undisturbed / BEST), Checkpoint.load(folder / LAST)
    assert first.preprocessing == best.preprocessing
    began_anew = set()
    for name, array in best.model.items():
        if array.shape == first.model[name].shape:
            assert np.allclose(first.model[name], array, atol=1e-6), name
        else:
            began_anew.add(first.model[name].shape[0])
            assert name in printed
    assert began_anew == {2}
    assert start(tmp_path / "same", "--init-from", str(undisturbed), "--max-steps", "1") == 0
    assert "16 of 16 parameters taken\n" in capfd.readouterr().err
    for wrong in (("--arch", "owt"), ("--image-size", "99"), ("--scale", "0.5")):
        code, message = error_of(train.main, [*common, *options, *wrong])
        assert code == 2
        assert f"{' '.join(wrong)} does not go with --init-from: the checkpoint has " in message
