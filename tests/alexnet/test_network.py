"""`alexnet.load` and `alexnet.fit`: networks from Python, and what is said of wrong input."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alexnet
from alexnet import cli
from alexnet.errors import BadImage, CheckpointError, DataError, UsageError
from alexnet.inference.inputs import UNKNOWN
from alexnet.run.checkpoint import LAST, Checkpoint
from minigrad import BackendError, Tensor
from minigrad.kernels.conv2d import cpu_direct, cpu_winograd
from minigrad.kernels.shared import bfloat16
from minigrad.random import random_keys
from tests.alexnet.runs import CLASSES, ROOT, STEPS_PER_EPOCH, assert_same_run, rows_of

pytestmark = pytest.mark.usefixtures("narrow")
SETTINGS = {"data": "folder", "image_size": 67, "batch_size": 4, "epochs": 2}


@pytest.fixture(scope="module")
def network(undisturbed):
    return alexnet.load(undisturbed)


@pytest.fixture(scope="module")
def image(photos):
    return photos / "red" / "0.png"


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


# -- load ------------------------------------------------------------------------------------------


def test_what_a_network_says_of_itself(network, undisturbed):
    assert network.classes == list(CLASSES)
    assert network.metrics == alexnet.load(undisturbed / LAST).metrics
    assert [row["epoch"] for row in network.metrics] == [1, 2]
    best = max(row["val_top1"] for row in network.metrics)
    for text in (repr(network), network._repr_html_()):
        assert "67x67" in text and "blue, green, red" in text and f"{best:.1%}" in text
    assert not network.model.training


def test_weights_that_lie_in_no_run_have_no_metrics(undisturbed, tmp_path):
    alone = tmp_path / "alone.safetensors"
    Checkpoint.load(undisturbed / LAST).save(alone)
    assert alexnet.load(str(alone)).metrics == []
    bare = Checkpoint.load(undisturbed / LAST)
    bare.training = {}  # as of another program
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    bare.save(folder / "other.safetensors")
    assert alexnet.load(folder / "other.safetensors").metrics == []
    assert alexnet.load(folder / LAST).metrics != []


def test_loading_leaves_the_random_numbers_of_a_training_in_another_thread(
    network, undisturbed, image, tmp_path
):
    network.save(tmp_path / "a.pth")
    before = random_keys.seed, random_keys.call
    for source in (undisturbed, tmp_path / "a.pth"):
        alexnet.load(source).predict(image)
    assert (random_keys.seed, random_keys.call) == before


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        alexnet.laod  # noqa: B018


# -- predict ---------------------------------------------------------------------------------------


def test_the_same_image_in_every_form(network, image):
    pixels = pixels_of(image)
    forms = [
        *(image, str(image), Image.open(image), pixels),
        *(pixels.transpose(2, 0, 1), pixels.astype(np.float32) / 255, pixels.astype(float) / 255),
        Tensor(pixels.transpose(2, 0, 1) / np.float32(255)),
    ]
    expected = network.predict(image)
    assert expected.name == str(image) and expected.label == CLASSES.index("red")
    for form in forms:
        found = network.predict(form)
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    several = network.predict(forms)
    assert [p.name for p in several[:3]] == [str(image), str(image), "image 2"]
    assert several[3].label == UNKNOWN
    for found in several:
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_changed_model_is_used_as_it_is(precision, undisturbed, image, monkeypatch):
    """A number that is changed to see what it does: weights are kept for one call only."""
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    changed, fresh = (
        alexnet.load(undisturbed, precision=precision, batch_size=1) for _ in range(2)
    )
    before = changed.predict([image, image])[0].probabilities
    for network in (changed, fresh):
        dict(network.model.named_parameters())["features.4.weight"].data[1, 0, 1, 1] = 9
    after = changed.predict([image, image])[0].probabilities
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, fresh.predict([image, image])[0].probabilities)
    features = [network.features([image, image]) for network in (changed, fresh)]
    np.testing.assert_array_equal(*features)


def test_weights_are_prepared_once_for_several_batches(undisturbed, image, monkeypatch):
    prepared = []
    transform, pack = cpu_winograd.transform_filters, cpu_direct._weight_panels
    monkeypatch.setattr(
        cpu_winograd, "transform_filters", lambda *a: prepared.append(a) or transform(*a)
    )
    monkeypatch.setattr(cpu_direct, "_weight_panels", lambda *a: prepared.append(a) or pack(*a))
    network = alexnet.load(undisturbed, batch_size=1)
    counts = []
    for images in ([image] * 2, [image] * 4, [image]):
        prepared.clear()
        network.predict(images)
        counts.append(len(prepared))
    assert counts == [5, 5, 5], "once for each convolution in each call"


def test_many_images_along_an_axis_or_in_a_folder(network, photos, image):
    pixels = pixels_of(image)
    batch = np.stack([pixels, pixels])
    assert [len(network.predict(batch)), len(network.predict(iter(batch)))] == [2, 2]
    folder = network.predict(photos / "red")
    assert [prediction.name for prediction in folder] == [
        str(path) for path in sorted((photos / "red").iterdir())
    ]
    assert len(network.predict([photos / "red", image])) == len(folder) + 1


def test_tensors_of_pytorch(network, image, torch):
    pixels = torch.tensor(pixels_of(image))
    expected = network.predict(image).probabilities
    for form in (pixels, pixels.permute(2, 0, 1), pixels.permute(2, 0, 1) / 255):
        np.testing.assert_array_equal(network.predict(form).probabilities, expected)
    assert len(network.predict(torch.stack([pixels, pixels]))) == 2


def test_gray_images(network):
    gray = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    expected = network.predict(np.repeat(gray[:, :, np.newaxis], 3, axis=2)).probabilities
    for form in (gray, gray[:, :, np.newaxis], gray[np.newaxis], Image.fromarray(gray)):
        np.testing.assert_array_equal(network.predict(form).probabilities, expected)


def test_an_upright_image_from_a_camera(network, image, tmp_path):
    """Pillow leaves the rotation that the file notes to its user."""
    with Image.open(image) as upright:
        exif = upright.getexif()
        exif[0x0112] = 6
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        found = network.predict(turned)
    np.testing.assert_array_equal(found.probabilities, network.predict(image).probabilities)


def test_ten_views(network, image):
    one, ten = (network.predict(image, views=views).probabilities for views in (1, 10))
    assert ten.sum() == pytest.approx(1) and not np.array_equal(one, ten)


def test_the_most_probable_classes(network, image):
    prediction = network.predict(image)
    assert prediction.probabilities.sum() == pytest.approx(1)
    best, second = prediction.top(2)
    assert best == (prediction.predicted, prediction.probability)
    assert best[1] == prediction.probabilities.max() >= second[1]


def test_predictions_as_text_and_as_a_table(network, image, tmp_path):
    prediction = network.predict(image)
    lines = str(prediction).splitlines()
    assert lines[0] == f"{image}  (true: red)" and len(lines) == 1 + len(CLASSES)
    assert repr(prediction).startswith(f"<Prediction {image}: {prediction.predicted} ")
    hostile = tmp_path / "<script>.png"
    hostile.write_bytes(image.read_bytes())
    table = network.predict([image, hostile])._repr_html_()
    assert table.count("<tr>") == 3 and "&lt;script&gt;" in table and "<script>" not in table


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        ("nowhere.jpg", BadImage, "nowhere.jpg: cannot be read"),
        ("https://example.org/a.jpg", BadImage, "nothing is fetched from the net"),
        (3, UsageError, "int is no image: give a path"),
        (b"GIF89a", UsageError, "bytes is no image"),
        ({"a": 1}, UsageError, "dict is no image"),
        ([], UsageError, "no image is given"),
        ([["a.png"]], UsageError, "image 0 is a list"),
        (np.zeros((0, 9, 9, 3), np.uint8), UsageError, "no image is given"),
        (np.zeros((5, 5, 5), np.uint8), BadImage, "an array of 5x5x5 is no image"),
        (np.zeros((8, 8, 4), np.uint8), BadImage, "8x8x4 is no image"),
        (np.zeros(7, np.uint8), BadImage, "an array of 7 is no image"),
        (np.zeros((8, 8, 3), np.int64), BadImage, "pixels of int64"),
        (np.full((8, 8, 3), 2.0), BadImage, "numbers from 2 to 2; give float pixels from 0 to 1"),
        (np.full((8, 8, 3), -0.1), BadImage, "without subtracting a mean"),
        (np.full((8, 8, 3), np.nan), BadImage, "numbers from nan to nan"),
        (np.zeros((2, 900, 3), np.uint8), BadImage, "too narrow"),
        (np.array([["a"]]), BadImage, "pixels of <U1"),
    ],
)
def test_what_is_no_image(network, wrong, error, words):
    with pytest.raises(error) as caught:
        network.predict(wrong)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("views", [0, 2, "10"])
def test_other_numbers_of_views(network, image, views):
    for use in (network.predict, network.evaluate):
        with pytest.raises(UsageError, match="views must be 1 or 10"):
            use(image, views=views)


def test_a_folder_without_images(network, tmp_path):
    with pytest.raises(DataError, match="no image in this folder"):
        network.predict(tmp_path)


def test_a_damaged_image_of_pillow(network, image, tmp_path):
    whole = image.read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with Image.open(tmp_path / "cut.png") as cut:
        with pytest.raises(BadImage, match="image: cannot be read"):
            network.predict(cut)


# -- features and evaluate -------------------------------------------------------------------------


def test_features(network, image):
    one = network.features(image)
    several = network.features([image, pixels_of(image)])
    assert one.dtype == np.float32 and several.shape == (2, *one.shape)
    for row in several:
        np.testing.assert_allclose(row, one, rtol=1e-4, atol=1e-6)
    maps = network.features(image, layer="conv1")
    assert maps.shape[1:] == (15, 15) and (maps >= 0).all()
    logits = network.features(image, "fc8")
    shares = np.exp(logits - logits.max())
    np.testing.assert_allclose(
        shares / shares.sum(), network.predict(image).probabilities, rtol=1e-5
    )
    with pytest.raises(UsageError, match="no layer 'fc9'; choose from conv1, norm1"):
        network.features(image, "fc9")


def test_evaluation(network, photos, undisturbed, capsys):
    results = network.evaluate()
    assert results.accuracy(1).value == rows_of(undisturbed)[-1]["val_top1"]
    assert len(results) == 6 and len(network.evaluate(split="train")) == 18
    assert len(network.evaluate(photos)) == 6
    assert len(network.evaluate(network.dataset("train"))) == 18
    assert capsys.readouterr().out == ""


def test_results_say_what_was_evaluated(network):
    results = network.evaluate(split="train", views=10)
    assert results.title == "18 train images, 10 views"
    (axes, _) = network.show_confusion(results=results).axes
    assert axes.get_title(loc="left").startswith("18 train images, 10 views: ")


def test_what_cannot_be_evaluated(network, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        network.evaluate(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no set 'test'"):
        network.evaluate(split="test")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("RGB", (70, 70)).save(tmp_path / name / f"{number}.png")
    with pytest.raises(CheckpointError, match="3 classes, the data have 2"):
        network.evaluate(tmp_path)


def test_what_is_no_data_set(network):
    with pytest.raises(UsageError, match="int is no data set: give the folder of one"):
        network.evaluate(3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1.5}, "batch_size must be at least 1"),
        ({"workers": -1}, "workers at least 0"),
        ({"bad_images": "ignore"}, "bad_images must be 'error' or 'skip', got 'ignore'"),
        ({"classes": "abc"}, "classes: expected a list of names, got 'abc'"),
        ({"image_size": 0}, "image_size: expected pixels, 1 or more, got 0"),
        ({"image_size": 100_000}, "image_size: 100000 pixels are more than 4096"),
        ({"mean": 128}, "mean: expected three gray levels of 0 to 255, got 128"),
        ({"mean": (1, 2)}, "mean: expected three gray levels"),
        ({"mean": (0.485, 0.456, 0.406)}, "are shares of 1, not gray levels"),
        ({"std": (0, 60, 60)}, "std: nothing can be divided by 0"),
        ({"std": ("a", "b", "c")}, "std: expected three gray levels"),
        ({"mean": np.array([120.0, 110, 100])}, "mean: expected three gray levels"),
        ({"classes": ("a", "b", "c")}, "classes: expected a list of names, got ('a', 'b', 'c')"),
        ({"classes": np.array(["a", "b"])}, "classes: expected a list of names"),
        ({"classes": ["a", 2, "c"]}, "classes: 2 is no name"),
        ({"classes": ["a", "", "c"]}, "classes: '' is no name"),
        ({"classes": ["a\nb", "c", "d"]}, "classes: 'a\\nb' is no name: expected a line of text"),
        ({"image_size": "67"}, "image_size: expected pixels, 1 or more, got '67'"),
        ({"image_size": 67.5}, "image_size: expected pixels, 1 or more, got 67.5"),
        ({"names": ["a"]}, "names: expected a dict"),
    ],
)
def test_what_cannot_be_meant(undisturbed, options, message):
    with pytest.raises(UsageError) as caught:
        alexnet.load(undisturbed, **options)
    assert message in str(caught.value)


def test_classes_that_are_given(undisturbed):
    assert alexnet.load(undisturbed, classes=["a", "b", "c"]).classes == ["a", "b", "c"]
    with pytest.raises(CheckpointError, match="3 classes, and 2 names are given"):
        alexnet.load(undisturbed, classes=["a", "b"])


def test_a_file_that_is_no_network(tmp_path):
    for source in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CheckpointError, match=str(source)):
            alexnet.load(source)
    with pytest.raises(CheckpointError, match="cannot be read: File name too long"):
        alexnet.load("x" * 5000)
    with pytest.raises(BackendError, match="cuda"):
        alexnet.load(tmp_path, backend="cuda")


def test_images_of_a_set_that_cannot_be_used(undisturbed, photos, tmp_path):
    copy = shutil.copytree(photos, tmp_path / "photos")
    damaged = sorted((copy / "red").iterdir())
    for path in damaged[:4]:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read"):
        alexnet.load(undisturbed).evaluate(copy, split="train")
    skipping = alexnet.load(undisturbed, bad_images="skip")
    assert 18 > len(skipping.evaluate(copy, split="train")) >= 14


# -- save ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.onnx"])
def test_a_network_is_saved_for_others(network, image, tmp_path, name):
    if name == "a.onnx":
        pytest.importorskip("onnx")
    written = network.save(tmp_path / name)
    assert str(written).startswith(f"written   {tmp_path / name}: ")
    assert "parity    " in repr(written)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, f"{name}.README.md"])
    if name != "a.onnx":
        again = alexnet.load(tmp_path / name).predict(image)
        np.testing.assert_array_equal(again.probabilities, network.predict(image).probabilities)


def test_what_is_not_saved(network, undisturbed, tmp_path):
    before = (undisturbed / LAST).read_bytes()
    for path, message in (
        (undisturbed / LAST, "is a checkpoint of a run"),
        (tmp_path / "a.txt", "does not end in .safetensors, .pth"),
    ):
        with pytest.raises(UsageError, match=message):
            network.save(path)
    with pytest.raises(FileNotFoundError):
        network.save(tmp_path / "missing" / "a.pth")
    assert (undisturbed / LAST).read_bytes() == before and list(tmp_path.iterdir()) == []


# -- fit -------------------------------------------------------------------------------------------


def test_a_run_is_that_of_the_command(photos, undisturbed, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    network = alexnet.fit(os.path.relpath(photos), out="mine", **SETTINGS)
    assert_same_run(tmp_path / "mine", undisturbed)
    assert network.folder == Path("mine")
    assert "epoch 2/2" in capfd.readouterr().out
    again = alexnet.fit(resume="mine")
    assert repr(again) == repr(network)
    assert "mine is complete after 2 epochs" in capfd.readouterr().err


def test_in_a_thread(photos, undisturbed, tmp_path):
    found = []

    def work():
        first = alexnet.fit(photos, out=tmp_path / "run", max_steps=STEPS_PER_EPOCH + 1, **SETTINGS)
        found.append(first.predict(photos / "red" / "0.png"))
        found.append(alexnet.fit(resume=tmp_path / "run", backend=None))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(found) == 2
    assert_same_run(tmp_path / "run", undisturbed)


def test_one_network_is_trained_at_a_time(photos, tmp_path, monkeypatch):
    refused = []

    def train_another(*arguments):
        with pytest.raises(UsageError, match="another thread of this process is training"):
            alexnet.fit(photos, out=tmp_path / "second", **SETTINGS)
        refused.append(True)
        raise DataError("enough")

    monkeypatch.setattr("alexnet.network.run", train_another)
    for _ in range(2):  # the first, which has failed, is no longer training
        with pytest.raises(DataError, match="enough"):
            alexnet.fit(photos, out=tmp_path / "first", **SETTINGS)
    assert len(refused) == 2 and not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"epoch": 3}, TypeError, "there is no option 'epoch'; did you mean 'epochs'?"),
        ({"qqq": 3}, TypeError, "there is no option 'qqq'"),
        ({"epochs": "x"}, UsageError, "epochs: 'x' is not a whole number of at least 1"),
        ({"epochs": True}, UsageError, "epochs: 'True' is not a whole number of at least 1"),
        ({"epochs": 1.5}, UsageError, "epochs: '1.5' is not a whole number of at least 1"),
        ({"columns": "two"}, UsageError, "columns: 'two' is no int"),
        ({"arch": "vgg"}, UsageError, "arch: 'vgg' is none of 'alexnet', 'owt'"),
        ({"tensorboard": 1}, UsageError, "tensorboard: expected True or False, got 1"),
        ({"data_root": ""}, UsageError, "data_root: an empty path; the current folder is ."),
        ({"max_time": 60}, UsageError, "max_time: '60' is not a time like 2h30m, 45m or 1d12h"),
        ({"resume": "a", "init_from": "b"}, UsageError, "init_from is for a new run"),
        ({"dry_run": True}, UsageError, "fit trains; python -m alexnet.train --dry-run says"),
        ({"lr_step": 2}, UsageError, "--lr-step is for --lr-schedule step, not cosine"),
        ({"resume": "nowhere"}, CheckpointError, "checkpoint nowhere does not exist"),
        ({"data_root": "/nowhere"}, DataError, "/nowhere: no such folder"),
    ],
)
def test_wrong_options(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        alexnet.fit(**options)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.glob("runs/*"))


def test_one_of_several_processes(monkeypatch):
    launch = type("Launch", (), {"size": 2, "name": "mpiexec"})
    monkeypatch.setattr(cli.launchers, "launched", lambda: launch)
    with pytest.raises(UsageError, match="mpiexec has started 2 processes of a function"):
        alexnet.fit("nowhere")


INTERRUPTED = """\
import os, signal, sys
import numba
import alexnet
from alexnet.errors import Terminated
from alexnet.model import ARCHITECTURES
from alexnet.training.trainer import Trainer
from tests.alexnet.narrow import NarrowAlexNet

numba.set_num_threads(1)
ARCHITECTURES["alexnet"] = NarrowAlexNet
photos, folder, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = Trainer.step

def signalled(trainer, *arguments):
    if trainer.schedule.steps == 2:
        os.kill(os.getpid(), number)
    return step(trainer, *arguments)

Trainer.step = signalled
try:
    network = alexnet.fit(photos, out=folder, {settings})
    print("saved after", network.checkpoint.schedule["steps"])
except Terminated as error:
    print("terminated by", error.args[0])
Trainer.step = step
alexnet.fit(resume=folder)
"""


@pytest.mark.parametrize(
    "number, said, how",
    [(signal.SIGINT, "saved after 3", "interrupted"), (signal.SIGTERM, "terminated by 15", None)],
)
def test_a_signal_saves_the_run(number, said, how, photos, undisturbed, tmp_path):
    settings = ", ".join(f"{name}={value!r}" for name, value in SETTINGS.items())
    script = INTERRUPTED.replace("{settings}", settings)
    folder = tmp_path / "run"
    command = [sys.executable, "-c", script, photos, folder, str(int(number))]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
    assert f"{how or 'terminated'}; continue with: alexnet.fit(resume='{folder}')" in result.stderr
    assert_same_run(folder, undisturbed)
