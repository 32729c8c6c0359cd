"""``--init-from``: a run that begins with the network of another."""

import json
from dataclasses import replace

import numpy as np

from alexnet import train
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from tests.alexnet.runs import CLASSES, resume, write_images


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


def test_a_variant_of_the_network_is_trained_and_continued_as_one(
    start, undisturbed, tmp_path, capfd
):
    network = {"norm": {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 1.0}, "pool_before_norm": True}
    original = Checkpoint.load(undisturbed / BEST)
    replace(original, network=network).save(tmp_path / "variant.safetensors")
    options = "--init-from", str(tmp_path / "variant.safetensors"), "--seed", "0"
    assert start(tmp_path / "whole", *options, "--max-steps", "4") == 0
    assert start(tmp_path / "run", *options, "--max-steps", "2") == 0
    assert resume(tmp_path / "run", "--max-steps", "4") == 0
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["arguments"]["network"] == network
    whole, continued = (Checkpoint.load(tmp_path / name / LAST) for name in ("whole", "run"))
    assert continued.network == whole.network == network
    norm, pool = continued.build().features[3], continued.build().features[2]
    assert (norm.alpha, norm.k, type(pool).__name__) == (0.5, 1.0, "MaxPool2d")
    for name, array in whole.model.items():
        assert np.array_equal(continued.model[name], array), name
    assert start(tmp_path / "plain", "--init-from", str(undisturbed), "--max-steps", "4") == 0
    plain = Checkpoint.load(tmp_path / "plain" / LAST)
    assert plain.network == {}
    assert not np.array_equal(plain.model["features.0.weight"], whole.model["features.0.weight"])
