"""The same images in whatever form they are kept: the same run."""

import pytest
from PIL import Image

from alexnet import train
from alexnet.data import __main__ as data_command
from alexnet.data import load
from alexnet.data.readers import cifar
from tests.alexnet.data.readers import test_cifar
from tests.alexnet.runs import rows_of


@pytest.fixture
def forms(tmp_path, monkeypatch, rng):
    """Folders with the same images: CIFAR-10, a tree of PNG files, and both of them prepared."""
    monkeypatch.setattr(cifar, "RECORDS", {"train": 40, "validation": 15})
    binary, tree = tmp_path / "binary", tmp_path / "tree"
    test_cifar.write(binary, "cifar10", 0, test_cifar.random_splits("cifar10", rng))
    for split, dataset in load("auto", binary).items():
        for index, label in enumerate(dataset.labels):
            folder = tree / {"train": "train", "validation": "val"}[split] / dataset.classes[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dataset.image(index)).save(folder / f"{index:05}.png")
    for source in (binary, tree):
        destination = tmp_path / f"prepared {source.name}"
        assert data_command.main(["prepare", str(source), str(destination)]) == 0
    return sorted(path for path in tmp_path.iterdir())


def rows_of_a_run(data_root, folder):
    options = ["--image-size", "67", "-b", "16", "--epochs", "2", "--mean", "image"]
    assert train.main([*options, "--data-root", str(data_root), "--out", str(folder)]) == 0
    return rows_of(folder)


def test_every_form_of_the_same_images_gives_the_same_run(forms, narrow, tmp_path, capsys):
    assert [path.name for path in forms] == ["binary", "prepared binary", "prepared tree", "tree"]
    runs = [rows_of_a_run(form, tmp_path / f"run on {form.name}") for form in forms]
    assert len(runs[0]) == 2
    assert runs[1:] == [runs[0]] * 3
    found = [line.split()[1] for line in capsys.readouterr().err.splitlines() if line[:4] == "data"]
    assert found == ["cifar10:", "shards:", "shards:", "folder:"]
