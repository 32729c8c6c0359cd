"""``--precision bf16``: products in bfloat16, in training and where a network is used."""

import json

import numpy as np
import pytest

import alexnet
from alexnet import evaluate, predict
from alexnet.doctor import __main__ as doctor
from alexnet.errors import UsageError
from alexnet.inference import inputs
from alexnet.inference.trained import Trained
from alexnet.run.checkpoint import LAST
from alexnet.run.folder import precisions
from minigrad import BackendError, io
from minigrad.kernels.shared import bfloat16 as bf16
from minigrad.kernels.shared.device import device
from tests.alexnet.runs import STEPS_PER_EPOCH, assert_same_run, resume, rows_of
from tests.bfloat16 import is_on

pytestmark = pytest.mark.usefixtures("narrow", "bfloat16_supported")


@pytest.fixture(scope="module")
def run(start, bfloat16_supported, tmp_path_factory):
    """The folder of a complete run in bf16; tests only read it."""
    folder = tmp_path_factory.mktemp("bf16") / "run"
    assert start(folder, "--precision", "bf16") == 0
    return folder


@pytest.fixture
def stopped_run(start, tmp_path):
    folder = tmp_path / "stopped"
    options = ("--precision", "bf16", "--max-steps", str(STEPS_PER_EPOCH + 1))
    assert start(folder, *options) == 0
    return folder


# -- training -----------------------------------------------------------------------------


def test_what_the_run_says_and_keeps(start, tmp_path, capsys):
    assert start(tmp_path / "run", "--precision", "bf16", "--max-steps", "1") == 0
    assert "), products in bf16. Kernels are compiled" in capsys.readouterr().err
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["arguments"]["precision"] == "bf16"
    arrays = io.load(tmp_path / "run" / LAST)[0]
    floats = [array for array in arrays.values() if array.dtype.kind == "f"]
    assert {array.dtype for array in floats} == {np.dtype(np.float32)}
    # Weights, and what the optimizer remembers, keep the digits that bfloat16 lacks.
    for array in floats:
        if array.size > 1000:
            assert bf16.round_to_bfloat16(array).tobytes() != array.tobytes()


def test_it_is_another_run_with_nearly_the_same_losses(run, undisturbed):
    for row, exact in zip(rows_of(run), rows_of(undisturbed), strict=True):
        for name in ("train_loss", "val_loss"):
            assert row[name] != exact[name]
            assert row[name] == pytest.approx(exact[name], rel=0.05)


def test_a_stopped_run_is_continued_exactly(run, stopped_run, capsys):
    assert resume(stopped_run) == 0
    assert "products in bf16" in capsys.readouterr().err
    assert_same_run(stopped_run, run)


def test_a_continued_run_may_have_another_precision(stopped_run, run, undisturbed, capsys):
    assert resume(stopped_run, "--precision", "float32") == 0
    told = capsys.readouterr().err
    assert "changed   precision: bf16 before, float32 now" in told and "products in" not in told
    assert rows_of(stopped_run)[0] == rows_of(run)[0]
    assert rows_of(stopped_run)[1] not in (rows_of(run)[1], rows_of(undisturbed)[1])
    assert (precisions(stopped_run), precisions(run)) == (["bf16", "float32"], ["bf16"])


def test_validation_has_the_precision_of_the_run(run):
    row = rows_of(run)[-1]
    rounded, exact = (
        Trained(run / LAST, precision=precision).evaluate() for precision in ("bf16", "float32")
    )
    assert rounded.title == exact.title + ", products in bf16"
    losses = rounded.mean_loss, exact.mean_loss
    assert losses[0] == pytest.approx(row["val_loss"], rel=1e-6)
    assert abs(losses[1] - losses[0]) > 1e-5 * losses[0]


def test_a_run_in_bf16_is_continued_on_the_gpu(run, stopped_run, cuda, capsys):
    """Its losses are those of the CPU, as far as the digits of images in bfloat16 reach."""
    assert resume(stopped_run, "--backend", "cuda") == 0
    told = capsys.readouterr().err
    assert "On cuda (" in told and "products in bf16" in told
    for row, expected in zip(rows_of(stopped_run), rows_of(run), strict=True):
        for name in ("train_loss", "val_loss"):
            assert row[name] == pytest.approx(expected[name], rel=0.02)
    arrays = io.load(stopped_run / LAST)[0]
    floats = {array.dtype for array in arrays.values() if array.dtype.kind not in "iub"}
    assert floats == {np.dtype(np.float32)}


def test_a_gpu_without_tensor_cores(stopped_run, cuda, error_of, monkeypatch):
    monkeypatch.setattr(device, "has_tensor_cores", False)
    for command in (
        lambda: error_of(resume, stopped_run, "--backend", "cuda"),
        lambda: error_of(
            evaluate.main, [str(stopped_run), "--precision", "bf16", "--backend", "cuda"]
        ),
    ):
        code, message = command()
        assert code == 8
        assert message.startswith("bfloat16 needs a GPU of compute capability 8.0 or later")


def test_a_processor_without_the_instructions(start, error_of, stopped_run, tmp_path, monkeypatch):
    monkeypatch.setattr(bf16, "SUPPORTED", False)
    # Said before the data are looked at, which may take long.
    options = ("--precision", "bf16", "--data-root", str(tmp_path / "no"))
    for code, message in (
        error_of(start, tmp_path / "run", *options),
        error_of(resume, stopped_run),
        error_of(evaluate.main, [str(stopped_run), "--precision", "bf16"]),
        error_of(predict.main, [str(stopped_run), "a.png", "--precision", "bf16"]),
    ):
        assert code == 8
        assert message.startswith("products in bfloat16 need a processor with the instructions ")
    assert not (tmp_path / "run").exists()
    assert resume(stopped_run, "--precision", "float32") == 0


def test_a_run_in_float32_is_not_concerned(start, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(bf16, "SUPPORTED", False)
    assert start(tmp_path / "run", "--max-steps", "1") == 0


def test_the_doctor_looks_at_the_run_that_was_asked_for(photos, monkeypatch):
    found = []
    monkeypatch.setattr(doctor, "examine", lambda *arguments: found.append(is_on()) or ())
    for precision in ("bf16", "float32"):
        options = ["--data-root", str(photos), "--image-size", "67", "--precision", precision]
        assert doctor.main(options) == 0
    assert found == [True, False]


# -- a trained network --------------------------------------------------------------------


def test_evaluate_and_predict(run, photos, capsys):
    found = []
    for options in ((), ("--precision", "float32"), ("--precision", "bf16")):
        assert evaluate.main([str(run), "--json", *options]) == 0
        results = json.loads(capsys.readouterr().out)
        loss, named = results["loss"], [results["precision"]]
        image = str(next(photos.rglob("*.png")))
        assert predict.main([str(run), image, "--json", *options]) == 0
        results = json.loads(capsys.readouterr().out)
        top = results["images"][0]["top"][0]["probability"]
        assert [*named, results["precision"]] == [options[-1] if options else "float32"] * 2
        found.append((loss, top))
    assert found[0] == found[1]
    for exact, rounded in zip(found[1], found[2]):
        assert exact != rounded and exact == pytest.approx(rounded, rel=0.05)


def test_a_network_in_python(run, photos):
    image = next(photos.rglob("*.png"))
    exact = alexnet.load(run)
    network = alexnet.load(run, precision="bf16")
    assert not is_on()
    of_both = [(n.predict(image).probabilities, n.features(image)) for n in (exact, network)]
    for values, rounded in zip(*of_both, strict=True):
        assert values.tobytes() != rounded.tobytes()
        np.testing.assert_allclose(rounded, values, rtol=0, atol=0.05 * np.abs(values).max())
    # Between two predictions the caller computes as before.
    for _ in network.predictions(inputs.collect(photos, network.classes)[0]):
        assert not is_on()


def test_fit_returns_what_load_brings_back(photos, tmp_path):
    folder, image = tmp_path / "run", next(photos.rglob("*.png"))
    options = {"image_size": 67, "batch_size": 4, "max_steps": 1, "precision": "bf16"}
    network = alexnet.fit(photos, out=folder, **options)
    of_both = [n.predict(image).probabilities.tobytes() for n in (network, alexnet.load(folder))]
    assert of_both[0] == of_both[1]


def test_other_precisions(run, monkeypatch):
    for precision in ("tf32", "bfloat16", None):
        with pytest.raises(UsageError, match="precision must be 'float32' or 'bf16', got "):
            alexnet.load(run, precision=precision)
    monkeypatch.setattr(bf16, "SUPPORTED", False)
    with pytest.raises(BackendError, match="MINIGRAD_BF16_EMULATE=1"):
        alexnet.load(run, precision="bf16")


def test_a_network_on_the_gpu(run, cuda):
    """Its loss is that of the CPU, as far as the digits of images in bfloat16 reach."""
    on_cpu, on_gpu = (
        Trained(run / LAST, precision="bf16", backend=name).evaluate() for name in ("cpu", "cuda")
    )
    assert on_gpu.title == on_cpu.title
    assert on_gpu.mean_loss != on_cpu.mean_loss
    assert on_gpu.mean_loss == pytest.approx(on_cpu.mean_loss, rel=0.01)
