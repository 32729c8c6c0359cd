"""``--init-from``: a run that begins with the network of another."""

import json
from dataclasses import replace

import numpy as np

from alexnet import train
from alexnet.formats import state_dict, torch_file
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.training.settings import Settings
from tests.alexnet.formats import torch_files
from tests.alexnet.narrow import NarrowOWT
from tests.alexnet.runs import CLASSES, assert_same_run, resume, write_images


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
    for wrong in (
        ("--arch", "owt"),
        ("--image-size", "99"),
        ("--resize", "99"),
        ("--scale", "0.5"),
    ):
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
    assert plain.network == original.network == {"norm": {"alpha": 1e-4 / Settings.scale**2}}
    assert not np.array_equal(plain.model["features.0.weight"], whole.model["features.0.weight"])


def test_a_file_of_pytorch_is_trained_on_other_classes_and_continued(
    narrow, photos, tmp_path, error_of
):
    """With torchvision's preprocessing, whose colors have a scale each."""
    weights = tmp_path / "alexnet.pth"
    weights.write_bytes(torch_files.legacy_of(NarrowOWT(7).state_dict()))
    options = ["--init-from", str(weights), "--data-root", str(photos), "-b", "4", "--epochs", "1"]
    assert train.main([*options, "--out", str(tmp_path / "whole")]) == 0
    assert train.main([*options, "--out", str(tmp_path / "run"), "--max-steps", "2"]) == 0
    first = json.loads((tmp_path / "run" / "run.json").read_text())
    weights.unlink()
    assert resume(tmp_path / "run") == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")

    whole, continued = (Checkpoint.load(tmp_path / name / LAST) for name in ("whole", "run"))
    assert continued.architecture == "owt" and continued.classes == sorted(CLASSES)
    expected = state_dict.torchvision_preprocessing(224)
    assert continued.preprocessing == whole.preprocessing == expected
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["arguments"] == first["arguments"] == continued.arguments
    assert run["arguments"]["scale"] == list(expected.scale)
    assert [start["changed"] for start in run["starts"]] == [{}, {}]

    code, message = error_of(resume, tmp_path / "run", "--epochs", "2", "--scale", "0.5")
    assert code == 2 and "--scale 0.5 cannot be changed by --resume: the run has [" in message
    torch_file.save(weights, continued.model, {})
    code, message = error_of(resume, weights)
    assert code == 4 and message == (
        f"{weights} holds a network alone, without what its training needs to go on; to train it "
        f"further, begin a new run with --init-from {weights}"
    )
    weights.write_bytes(b"PK\3\4")
    code, message = error_of(train.main, [*options, "--out", str(tmp_path / "damaged")])
    assert code == 4 and message.startswith(f"{weights} cannot be read as a file of torch.save")
    assert not (tmp_path / "damaged").exists()


def test_a_network_that_has_diverged_is_no_beginning(narrow, photos, tmp_path, error_of):
    parameters = NarrowOWT(7).state_dict()
    parameters["features.3.bias"][1] = np.nan
    weights, out = tmp_path / "alexnet.pth", tmp_path / "run"
    torch_file.save(weights, parameters, {})
    options = ["--init-from", str(weights), "--data-root", str(photos), "--out", str(out)]
    code, message = error_of(train.main, options)
    assert code == 4 and f"{weights}: features.3.bias has numbers that are not finite" in message
    assert not out.exists()
