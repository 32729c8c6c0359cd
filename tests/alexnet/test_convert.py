"""python -m alexnet.convert: what is written is usable everywhere, or nothing is written."""

import argparse
import dataclasses
import errno
import json
import os
import sys

import numpy as np
import pytest

from alexnet import convert, evaluate, predict, train
from alexnet.export import check, parity, readme
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.training.settings import Settings
from alexnet.visualize import __main__ as visualize
from minigrad import io
from tests.alexnet.formats import caffe_files
from tests.alexnet.runs import OPTIONS
from tests.torchvision_alexnet import NARROW, torchvision_alexnet

DTYPES = ("float32", "float16", "bfloat16")


def run(*words):
    return convert.main([str(word) for word in words])


@pytest.fixture(scope="module")
def slim(undisturbed, tmp_path_factory):
    """Slim files of a run by the type of their parameters; tests only read them."""
    folder = tmp_path_factory.mktemp("slim files")
    for dtype in DTYPES:
        path = folder / f"{dtype}.safetensors"
        assert run(undisturbed, "--out", path, "--dtype", dtype) == 0
    return {dtype: folder / f"{dtype}.safetensors" for dtype in DTYPES}


def changed(undisturbed, path, **arrays):
    """A file of the run's best network with other parameters."""
    checkpoint = Checkpoint.load(undisturbed / BEST)
    dataclasses.replace(checkpoint, model=checkpoint.model | arrays).save(path)
    return path


# -- what is written ------------------------------------------------------------------------------


def test_what_is_said(undisturbed, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    assert run(undisturbed, "--out", out, "--dtype", "bfloat16") == 0
    read, written, *found, page = capsys.readouterr().out.splitlines()
    assert read.startswith(f"read      {undisturbed}, a run: alexnet, ")
    assert ", 3 classes from 'blue' on; images resized to 76 pixels and cropped to 67x67" in read
    assert read.endswith(f", times {Settings.scale:.4g}")
    assert written.startswith(f"written   {out}: ") and written.endswith(", bfloat16")
    assert [line.split(":")[0] for line in found] == [
        "parity    against the file as it is read back",
        "parity    against the network before rounding",
    ]
    assert "8 images differ by at most 0.0e+00 of " in found[0]
    assert "differ by at most 0.0e+00" not in found[1]
    assert page == f"page      {out}.README.md"
    assert sorted(os.listdir(tmp_path)) == ["a.safetensors", "a.safetensors.README.md"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("names", ["own", "torchvision"])
def test_a_file_is_half_as_large_or_less_and_names_no_folder(
    undisturbed, photos, tmp_path, dtype, names
):
    out = tmp_path / "a.safetensors"
    assert run(undisturbed, "--out", out, "--dtype", dtype, "--names", names) == 0
    whole, content = (undisturbed / BEST).read_bytes(), out.read_bytes()
    share = len(content) / len(whole)
    assert share == pytest.approx(0.5 if dtype == "float32" else 0.25, abs=0.02)
    assert str(photos).encode() in whole
    page = readme.path_beside(out).read_bytes()
    for folder in (photos, photos.parent, undisturbed, tmp_path):
        assert str(folder).encode() not in content + page


def assert_same_file(one, other):
    (arrays, metadata), (others, other_metadata) = io.load(one), io.load(other)
    assert metadata == other_metadata and arrays.keys() == others.keys()
    assert all(array.tobytes() == others[name].tobytes() for name, array in arrays.items())


def test_twice_is_the_same(undisturbed, slim, tmp_path):
    again = tmp_path / "again.safetensors"
    for source in (undisturbed, undisturbed / BEST, slim["float32"]):
        assert run(source, "--out", again) == 0
        assert_same_file(again, slim["float32"])
    for dtype in DTYPES[1:]:
        assert run(slim[dtype], "--out", again, "--dtype", dtype) == 0
        assert_same_file(again, slim[dtype])


def test_names_for_pytorch(undisturbed, tmp_path, torch, capsys):
    out = tmp_path / "a.safetensors"
    assert run(undisturbed, "--out", out, "--names", "torchvision") == 0
    assert f"against PyTorch {torch.__version__}: logits of 8" in capsys.readouterr().out
    from safetensors.torch import load_file

    assert load_file(out).keys() == Checkpoint.load(undisturbed / BEST).model.keys()


def test_onnx(undisturbed, tmp_path, capsys):
    assert run(undisturbed, "--out", tmp_path / "a.onnx") == 0
    assert "parity    against onnxruntime " in capsys.readouterr().out
    assert "onnxruntime" in readme.path_beside(tmp_path / "a.onnx").read_text("utf-8")


@pytest.mark.parametrize(
    "module, options, said",
    [
        ("onnxruntime", ("a.onnx",), "not compared with onnxruntime, which is not installed"),
        (
            "torch",
            ("a.safetensors", "--names", "torchvision"),
            "not compared with PyTorch, which is not installed",
        ),
    ],
)
def test_programs_that_are_not_installed(
    undisturbed, tmp_path, monkeypatch, capsys, module, options, said
):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "safetensors.torch", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert run(undisturbed, "--out", *options) == 0
    assert f"parity    {said}\n" in capsys.readouterr().out


def test_a_page_of_the_user(undisturbed, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    readme.path_beside(out).write_text("# My own words\n")
    assert run(undisturbed, "--out", out) == 0
    assert capsys.readouterr().out.endswith(
        f"page      {out}.README.md is yours and stays as it is\n"
    )
    assert readme.path_beside(out).read_text() == "# My own words\n"


# -- networks of other programs -------------------------------------------------------------------


@pytest.fixture(params=["pth", "legacy", "safetensors", "nested"])
def torch_source(request, narrow, torch, tmp_path):
    """torchvision's network with random parameters, in a file of PyTorch."""
    torch.manual_seed(0)
    state = torchvision_alexnet(torch, 10, **NARROW).state_dict()
    path = tmp_path / "weights"
    if request.param == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path, {"format": "pt"})
    elif request.param == "nested":
        parameters = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"epoch": 3, "state_dict": parameters}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=request.param == "pth")
    return path


def parity_lines(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("parity    ") for line in lines if line.startswith("parity")], lines


def test_from_pytorch(torch_source, tmp_path, torch, capsys):
    out = tmp_path / "a.safetensors"
    assert run(torch_source, "--out", out, "--image-size", "99") == 0
    parities, lines = parity_lines(capsys)
    assert "parameters of PyTorch: owt, " in lines[0] or "parameters in safetensors: " in lines[0]
    assert lines[1:3] == [
        "assumed   the 10 outputs have no names; --classes names them",
        "assumed   images are prepared as torchvision does; --mean and --std say otherwise",
    ]
    assert parities[0].startswith(f"against PyTorch {torch.__version__}: logits of 8 images ")
    assert parities[0].endswith("the same top-1 class for 8 of 8") and len(parities) == 2


def test_what_is_given_is_not_assumed(torch_source, tmp_path, capsys):
    (tmp_path / "classes.txt").write_text("\n".join("abcdefghij"))
    given = "--mean", "1,2,3", "--std", "50,50,50", "--classes", tmp_path / "classes.txt"
    out = tmp_path / "a.safetensors"
    assert run(torch_source, "--out", out, "--image-size", "99", *given) == 0
    assert "assumed" not in capsys.readouterr().out
    loaded = Checkpoint.load(out)
    assert loaded.classes == list("abcdefghij")
    assert loaded.preprocessing.mean == (1, 2, 3)
    assert run(torch_source, "--out", tmp_path / "std.pth", "--std", "50,50,50") == 0
    assert "but for --std, images are prepared as torchvision does" in capsys.readouterr().out
    # It is our own file now.
    assert run(out, "--out", tmp_path / "b.pth") == 0
    assert "assumed" not in capsys.readouterr().out
    assert run(tmp_path / "b.pth", "--out", tmp_path / "c.safetensors") == 0
    said = capsys.readouterr().out
    assert "assumed" not in said and "b.pth, a file of this project: owt" in said
    assert_same_file(out, tmp_path / "c.safetensors")


def test_parameters_do_not_say_how_they_are_normalized(undisturbed, tmp_path, torch, capsys):
    state = Checkpoint.load(undisturbed / BEST).model
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    torch.save(tensors, tmp_path / "a.pth")
    options = "--out", tmp_path / "b.pth", "--image-size", "67", "--mean", "1,2,3"
    assert run(tmp_path / "a.pth", *options) == 0
    assumed = (
        "assumed   normalization is as in the paper (k = 2, before pooling); Caffe's is another"
    )
    assert assumed in capsys.readouterr().out.splitlines()


def test_names_of_another_program(narrow, tmp_path, torch, capsys):
    state = torchvision_alexnet(torch, 10, **NARROW).state_dict()
    names = {f"their/{name}": name for name in state}
    torch.save({f"their/{name}": tensor for name, tensor in state.items()}, tmp_path / "a")
    (tmp_path / "map.json").write_text(json.dumps(names))
    out = tmp_path / "a.safetensors"
    options = "--out", out, "--image-size", "99", "--map", tmp_path / "map.json"
    assert run(tmp_path / "a", *options) == 0
    assert parity_lines(capsys)[0][0].startswith("against PyTorch")


def test_a_source_that_is_read_wrongly(torch_source, tmp_path, torch, error_of, monkeypatch):
    def load(source, given):
        loaded = load_it(source, given)
        loaded.model["classifier.6.bias"] = loaded.model["classifier.6.bias"] + 1
        return loaded

    load_it = convert.load
    monkeypatch.setattr(convert, "load", load)
    words = torch_source, "--out", tmp_path / "a.safetensors", "--image-size", "99"
    expected = "nothing was written: it would be another network against PyTorch"
    assert_refused(error_of, tmp_path, 4, expected, *words)


def test_a_source_that_pytorch_refuses(narrow, tmp_path, torch, capsys):
    state = torchvision_alexnet(torch, 10, **NARROW).state_dict()
    torch.save({"state_dict": state, "options": argparse.Namespace(lr=1)}, tmp_path / "a")
    out = tmp_path / "a.safetensors"
    assert run(tmp_path / "a", "--out", out, "--image-size", "99") == 0
    refused, read_back = parity_lines(capsys)[0]
    assert refused.startswith("not compared with PyTorch, which cannot read it: ")
    assert read_back.startswith("against the file as it is read back")


def test_from_caffe(narrow, tmp_path, rng, capsys):
    source = tmp_path / "net.caffemodel"
    source.write_bytes(caffe_files.net(caffe_files.random_parameters(rng)))
    assert run(source, "--out", tmp_path / "a.pth") == 0
    parities, lines = parity_lines(capsys)
    assert ", a network of Caffe: alexnet, " in lines[0]
    assert parities[0].startswith("against Caffe's formulas in NumPy (no Caffe was run): logits")
    assert parities[1].startswith("against the file as it is read back")
    assert parities[2].startswith("against PyTorch")


# -- every command reads it -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_evaluate(undisturbed, slim, photos, capfd, error_of, dtype):
    def results(*words):
        capfd.readouterr()
        assert evaluate.main([*map(str, words), "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    code, message = error_of(evaluate.main, [str(slim[dtype])])
    assert code == 3 and "--data-root DIR" in message
    own, other = results(undisturbed), results(slim[dtype], "--data-root", photos)
    assert own["top1"] == other["top1"]
    if dtype == "float32":
        assert own == other
    assert own["loss"] == pytest.approx(other["loss"], rel=0.02)


def test_predict_and_visualize(slim, photos, tmp_path):
    for dtype, file in slim.items():
        assert predict.main([str(file), str(photos / "red" / "0.png")]) == 0
        assert visualize.main(["filters", str(file), "--out", str(tmp_path / f"{dtype}.png")]) == 0


def test_a_run_can_begin_with_it_but_not_go_on(slim, photos, tmp_path, error_of):
    for dtype, file in slim.items():
        options = [*OPTIONS, "--data-root", str(photos), "--max-steps", "1"]
        out = tmp_path / dtype
        assert train.main([*options, "--init-from", str(file), "--out", str(out)]) == 0
    code, message = error_of(train.main, ["--resume", str(slim["float16"])])
    assert code == 4
    assert "holds a network alone" in message and "--init-from" in message


def test_a_slim_file_in_the_place_of_a_checkpoint(stopped, slim, tmp_path, error_of, capfd):
    """The run goes on from another one, or says what is wrong."""
    (stopped / LAST).unlink()
    (stopped / LAST).write_bytes(slim["float32"].read_bytes())
    assert train.main(["--resume", str(stopped), "--max-steps", "7"]) == 0
    assert "holds a network alone" in capfd.readouterr().err
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / LAST).write_bytes(slim["float32"].read_bytes())
    code, message = error_of(train.main, ["--resume", str(alone)])
    assert code == 4 and "holds a network alone" in message
    file = str(sorted(stopped.glob("step-*.safetensors"))[0])
    (stopped / LAST).write_bytes(slim["float32"].read_bytes())
    assert train.main(["--resume", file, "--max-steps", "7"]) == 0


# -- nothing is written ---------------------------------------------------------------------------


def assert_refused(error_of, folder, code, expected, *words):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found, message = error_of(convert.main, [str(word) for word in words])
    assert (found, expected in message) == (code, True), message
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_source_and_checkpoints_are_not_overwritten(stopped, slim, tmp_path, error_of):
    folder = tmp_path / "files"
    folder.mkdir()
    source = folder / "a.safetensors"
    source.write_bytes(slim["float32"].read_bytes())
    link = folder / "link.safetensors"
    link.symlink_to(source)
    for out in (source, link):
        expected = f"{out} is what is to be converted: choose another file"
        assert_refused(error_of, folder, 2, expected, source, "--out", out)
    for out in (stopped / LAST, *stopped.glob("step-*")):
        expected = f"{out} is a checkpoint of a run: choose another file"
        assert_refused(error_of, stopped, 2, expected, slim["float32"], "--out", out)


def test_numbers_that_a_type_cannot_hold(undisturbed, tmp_path, error_of):
    big = {"classifier.7.bias": np.array([1, 2, 1e6], np.float32)}
    source = changed(undisturbed, tmp_path / "big.safetensors", **big)
    words = source, "--out", tmp_path / "a.safetensors", "--dtype", "float16"
    assert_refused(error_of, tmp_path, 2, "classifier.7.bias reaches 1e+06, more than", *words)


def test_a_network_that_diverged(undisturbed, tmp_path, error_of):
    broken = {"classifier.7.bias": np.array([1, 2, np.nan], np.float32)}
    source = changed(undisturbed, tmp_path / "broken.safetensors", **broken)
    words = source, "--out", tmp_path / "a.safetensors"
    assert_refused(error_of, tmp_path, 4, "classifier.7.bias has numbers that are not", *words)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_would_hold_something_else(
    undisturbed, tmp_path, error_of, monkeypatch, suffix
):
    load_it = check.load

    def load(path):
        loaded = load_it(path)
        loaded.model["classifier.7.bias"] = loaded.model["classifier.7.bias"] + 1
        return loaded

    monkeypatch.setattr(check, "load", load)
    words = undisturbed, "--out", tmp_path / f"a{suffix}"
    assert_refused(
        error_of,
        tmp_path,
        4,
        "nothing was written: it would be another network against the file as it",
        *words,
    )


@pytest.mark.parametrize(
    "suffix, call", [(".pth", "torch.load"), (".onnx", "onnxruntime.InferenceSession")]
)
def test_a_file_that_its_program_cannot_use(
    undisturbed, tmp_path, error_of, monkeypatch, suffix, call
):
    def fail(*arguments, **options):
        raise RuntimeError("not understood\nin detail")

    pytest.importorskip(call.split(".")[0])
    monkeypatch.setattr(call, fail)
    expected = "nothing was written: the program that the file is for cannot use it: RuntimeError"
    words = undisturbed, "--out", tmp_path / f"a{suffix}"
    assert_refused(error_of, tmp_path, 4, f"{expected}: not understood", *words)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
def test_a_full_disk(undisturbed, tmp_path, error_of, monkeypatch, suffix):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / f"a{suffix}"
    out.write_bytes(b"before")
    monkeypatch.setattr("alexnet.files.os.replace", fail)
    assert_refused(error_of, tmp_path, 7, "disk full", undisturbed, "--out", out)


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--mean", "1,2"], "mean: expected three gray levels of 0 to 255, got (1.0, 2.0)"),
        (["--mean", "1,2,x"], "'1,2,x' is not three gray levels"),
        (
            ["--mean", "1,2,nan"],
            "three gray levels of 0 to 255, got (1.0, 2.0, nan)",
        ),
        (
            ["--mean", "1,2,256"],
            "three gray levels of 0 to 255, got (1.0, 2.0, 256.0)",
        ),
        (
            ["--std", "0.229,0.224,0.225"],
            "are shares of 1, not gray levels of 0 to 255: give (58.395, 57.12, 57.375)",
        ),
        (["--std", "1,0,1"], "std: nothing can be divided by 0, got (1.0, 0.0, 1.0)"),
        (["--mean", "1,2,3", "--mean-image", "a"], "not allowed with argument"),
        (["--classes", "missing"], "--classes missing: No such file"),
        (["--classes", "gap.txt"], "--classes gap.txt: line 2 is empty"),
        (["--classes", "null.txt"], "--classes null.txt: has null characters"),
        (["--classes", "endless"], "--classes endless: larger than 16,777,216 bytes"),
        (["--map", "endless"], "--map endless: no JSON (larger than 16,777,216 bytes)"),
        (["--map", "missing"], "--map missing: No such file"),
        (["--map", "gap.txt"], "--map gap.txt: no JSON (Expecting value"),
        (["--map", "list.json"], '--map list.json: not of the form {"name in SOURCE": '),
        (["--map", "numbers.json"], "--map numbers.json: not of the form"),
        (["--map", "deep.json"], "--map deep.json: no JSON ("),
        (["--dtype", "float64"], "argument --dtype: invalid choice: 'float64'"),
    ],
)
def test_wrong_use(undisturbed, tmp_path, monkeypatch, error_of, options, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gap.txt").write_text("ant\n\nbee\n")
    (tmp_path / "null.txt").write_bytes(b"ant\0")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "numbers.json").write_text('{"a": 1}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with open(tmp_path / "endless", "wb") as file:
        file.truncate(2**24 + 1)
    words = undisturbed, "--out", "a.safetensors", *options
    assert_refused(error_of, tmp_path, 2, expected, *words)


def test_names_of_files_that_are_wrong(undisturbed, tmp_path, error_of):
    for out, code, expected in (
        ("a.txt", 2, "does not end in .safetensors"),
        ("missing/a.onnx", 2, "would lie in a folder that does not exist"),
        ("folder.onnx", 7, "a folder, not a file"),
    ):
        (tmp_path / "folder.onnx").mkdir(exist_ok=True)
        found, message = error_of(run, undisturbed, "--out", tmp_path / out)
        assert (found, expected in message) == (code, True), message
    assert os.listdir(tmp_path) == ["folder.onnx"]


def test_a_source_that_there_is_not_beside_an_old_file(tmp_path, error_of):
    (tmp_path / "a.pth").write_bytes(b"old")
    expected = f"checkpoint {tmp_path / 'b.pth'} does not exist"
    words = tmp_path / "b.pth", "--out", tmp_path / "a.pth"
    found, message = error_of(run, *words)
    assert (found, expected in message) == (4, True), message
    assert (tmp_path / "a.pth").read_bytes() == b"old"


def test_a_mean_alone_replaces_the_scale_and_says_so(undisturbed, tmp_path, capsys):
    assert run(undisturbed, "--out", tmp_path / "a.safetensors", "--mean", "1,2,3") == 0
    assumed = "assumed   pixels are not scaled after the mean is subtracted; --std scales them\n"
    assert assumed in capsys.readouterr().out
    preprocessing = Checkpoint.load(tmp_path / "a.safetensors").preprocessing
    assert (preprocessing.mean, preprocessing.scale) == ((1, 2, 3), 1)


def test_what_is_given_arrives(tmp_path, monkeypatch, error_of):
    """In the words of `Given`; a list of Windows, and blank lines at its end."""
    seen = []

    def load(source, given):
        seen.append(given)
        raise convert.UsageError("enough")

    monkeypatch.setattr(convert, "load", load)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.txt").write_bytes("\ufeffant\r\nb\u00e9e \r\n\r\n".encode())
    (tmp_path / "map.json").write_text('{"conv1.w": "features.0.weight"}')
    options = "--classes classes.txt --map map.json --image-size 99 --mean 1,2.5,255 --std 3,4,5"
    error_of(run, "a.pth", "--out", "a.safetensors", *options.split())
    error_of(run, "a.pth", "--out", "a.safetensors", "--mean-image", "m.binaryproto")
    error_of(run, "a.pth", "--out", "a.safetensors")
    names = {"conv1.w": "features.0.weight"}
    assert seen == [
        convert.Given(
            classes=["ant", "b\u00e9e"],
            names=names,
            image_size=99,
            mean=(1, 2.5, 255),
            std=(3, 4, 5),
        ),
        convert.Given(mean_image=convert.Path("m.binaryproto")),
        convert.Given(),
    ]


def test_the_images_are_few_and_the_same():
    preprocessing = parity.Preprocessing(image_size=67, mean=(0, 0, 0))
    images = parity.demo_images(preprocessing)
    assert images.shape == (8, 67, 67, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, parity.demo_images(preprocessing))
