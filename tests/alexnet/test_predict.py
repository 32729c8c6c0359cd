"""``python -m alexnet.predict``: images of every kind, and those that are none."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alexnet import predict
from alexnet.data.transforms import Preprocessing, central_view, ten_views
from alexnet.inference import inputs
from alexnet.inference.results import top_classes
from alexnet.run.checkpoint import Checkpoint
from minigrad import Tensor, manual_seed
from tests.alexnet.narrow import NarrowAlexNet

pytestmark = pytest.mark.usefixtures("narrow")
ROOT = Path(__file__).parents[2]
CLASSES = ["cat", "dog", "n01440764"]
rng = np.random.default_rng(0)
MEAN_IMAGE = rng.uniform(100, 150, (3, 67, 67)).astype(np.float32)
PREPROCESSING = Preprocessing(
    image_size=67, resize=80, mean=(0, 0, 0), mean_image=MEAN_IMAGE, scale=1 / 50
)


@pytest.fixture(scope="module")
def network():
    manual_seed(1)
    return NarrowAlexNet(3, 67)


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    # A network that answers something else for each image.
    network.classifier[7].weight.data *= 60
    path = tmp_path_factory.mktemp("predict") / "best.safetensors"
    Checkpoint("alexnet", CLASSES, PREPROCESSING, model=network.state_dict()).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two images in the folders of classes, one in neither."""
    for place, size in (
        ("cat/1.png", (80, 80)),
        ("n01440764/2.png", (90, 120)),
        ("x/3.png", (200, 81)),
    ):
        save(tmp_path / "photos" / place, size)
    return tmp_path / "photos"


def save(path, size=(80, 80), mode="RGB", **options):
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = rng.integers(0, 256, (*size, channels), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze() if channels == 1 else pixels, mode).save(path, **options)
    return path


def run(capsys, *command):
    """Exit code, stdout, and the lines on stderr."""
    capsys.readouterr()
    code = predict.main([str(part) for part in command])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def probabilities(network, path, views=1):
    """Computed without the loader: float64 (C,)."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    views_of_it = (
        ten_views(pixels, PREPROCESSING) if views == 10 else [central_view(pixels, PREPROCESSING)]
    )
    inputs = [view.crop[:, ::-1] if view.flip else view.crop for view in views_of_it]
    inputs = (np.stack(inputs).transpose(0, 3, 1, 2) - MEAN_IMAGE) / np.float32(50)
    logits = network.eval()(Tensor(np.ascontiguousarray(inputs, np.float32))).numpy()
    powers = np.exp(logits.astype(np.float64))
    return (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)


@pytest.mark.parametrize("views", [1, 10])
def test_probabilities_and_order(views, network, checkpoint, photos, capsys):
    code, out, lines = run(capsys, checkpoint, photos, "--json", "--views", views, "-b", "2")
    assert (code, lines) == (0, [])
    answer = json.loads(out)
    assert answer["failed"] == []
    files = sorted(str(path) for path in photos.rglob("*.png"))
    assert [entry["image"] for entry in answer["images"]] == files
    assert [entry["true"] for entry in answer["images"]] == ["cat", "n01440764", None]
    for entry in answer["images"]:
        expected = probabilities(network, entry["image"], views)
        shown = [pair["probability"] for pair in entry["top"]]
        assert shown == sorted(shown, reverse=True)
        assert sum(shown) == pytest.approx(1)
        # One view and ten must be told apart.
        others = probabilities(network, entry["image"], 11 - views)
        assert abs(expected / others - 1).max() > 0.01
        for pair in entry["top"]:
            assert pair["probability"] == pytest.approx(
                expected[CLASSES.index(pair["class"])], rel=1e-4
            )
        assert {pair["class"]: pair["words"] for pair in entry["top"]}["n01440764"].startswith(
            "tench"
        )


def test_top_classes_by_sorting():
    shares = np.array([0.1, 0.3, 0.1, 0.4, 0.1])
    top = top_classes(shares, list("abcde"), 4)
    assert top == [("d", 0.4), ("b", 0.3), ("a", 0.1), ("c", 0.1)]
    assert len(top_classes(shares, list("abcde"), 9)) == 5


def test_text(checkpoint, photos, capsys):
    code, out, lines = run(capsys, checkpoint, photos / "n01440764", "-k", "2")
    assert (code, lines) == (0, [])
    name, *top = out.splitlines()
    assert name == f"{photos / 'n01440764' / '2.png'}  (true: tench (n01440764))"
    assert len(top) == 2
    assert all(line[8:10] == "  " and line[7] == "%" for line in top)


def test_a_network_that_diverged(checkpoint, photos, tmp_path, capsys):
    diverged = Checkpoint.load(checkpoint)
    for broken in (np.nan, np.inf, -np.inf):
        diverged.model["features.0.weight"][3, 0, 1, 1] = broken
        diverged.save(tmp_path / "diverged.safetensors")
        code, out, (line,) = run(capsys, tmp_path / "diverged.safetensors", photos)
        assert (code, out) == (4, "")
        assert "features.0.weight has numbers that are not finite" in line


def test_a_line_break_in_a_name_does_not_break_the_line(checkpoint, tmp_path, capsys):
    save(tmp_path / "a\nname.png")
    code, out, _ = run(capsys, checkpoint, tmp_path, "-k", "1")
    assert code == 0
    assert out.splitlines()[0] == f"{tmp_path}/a\\nname.png"
    assert len(out.splitlines()) == 2


def stdin(monkeypatch, content, terminal=False):
    buffer = io.BytesIO(content)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer, isatty=lambda: terminal))


def test_standard_input(checkpoint, photos, capsys, monkeypatch):
    file = photos / "cat/1.png"
    expected = json.loads(run(capsys, checkpoint, file, "--json")[1])["images"][0]["top"]
    stdin(monkeypatch, file.read_bytes())
    answer = json.loads(run(capsys, checkpoint, "-", "--json")[1])
    assert answer["images"] == [{"image": "-", "true": None, "top": expected}]
    for content, terminal in ((b"", False), (b"text", False), (b"", True)):
        stdin(monkeypatch, content, terminal)
        code, out, lines = run(capsys, checkpoint, "-", file)
        assert code == 3
        assert len(lines) == 1 and lines[0].startswith("error: standard input: ")
        assert out.startswith(str(file))


def test_list_of_names(checkpoint, photos, capsys, monkeypatch, tmp_path):
    names = f"{photos / 'cat/1.png'}\n\n{photos / 'x'}\n".encode()
    stdin(monkeypatch, names)
    from_stdin = run(capsys, checkpoint, "--list", "-", "--json")
    (tmp_path / "names.txt").write_bytes(names)
    from_file = run(capsys, checkpoint, "--list", tmp_path / "names.txt", "--json")
    assert from_stdin == from_file
    assert (from_file[0], from_file[2]) == (0, [])
    assert [Path(entry["image"]).name for entry in json.loads(from_file[1])["images"]] == [
        "1.png",
        "3.png",
    ]
    code, _, (line,) = run(capsys, checkpoint, "--list", tmp_path / "none.txt")
    assert code == 2 and "none.txt: No such file" in line


@pytest.mark.parametrize("options", [["--json", "-k", "1"], ["-k", "1", "--json", "--"]])
def test_options_between_the_run_and_the_images(options, checkpoint, photos, capsys):
    code, out, _ = run(capsys, checkpoint, *options, photos / "cat/1.png")
    (image,) = json.loads(out)["images"]
    assert code == 0 and len(image["top"]) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"a.png\n\nb \xc3\xa9.png\n",
        b"a.png\r\n\r\nb \xc3\xa9.png\r\n",
        b"\xef\xbb\xbfa.png\n\nb \xc3\xa9.png\n",
        "\ufeffa.png\r\n\r\nb é.png\r\n".encode("utf-16-le"),
        "\ufeffa.png\n\nb é.png\n".encode("utf-16-be"),
    ],
    ids=["lines", "cr-lf", "byte-order-mark", "powershell", "big-endian"],
)
def test_lists_as_other_systems_write_them(content):
    assert inputs.listed(content) == ["a.png", "", "b é.png", ""]


def test_names_in_a_list_are_left_as_they_are():
    names = ["a\x0bb.png", "a\x85\u2028b.png", " -a.png ", "a\rb.png", "\udcff.png"]
    assert inputs.listed(os.fsencode("\n".join(names))) == names


@pytest.mark.parametrize(
    "content, problem",
    [(b"a.png\0b.png\0", "null characters"), (b"\xff\xfea", "truncated data")],
    ids=["find -print0", "half a character"],
)
def test_what_is_no_list(content, problem, checkpoint, tmp_path, capsys):
    (tmp_path / "names").write_bytes(content)
    code, _, (line,) = run(capsys, checkpoint, "--list", tmp_path / "names")
    assert code == 2 and problem in line


def test_unusual_images_are_predicted(checkpoint, tmp_path, capsys):
    files = [
        save(tmp_path / "gray.png", mode="L"),
        save(tmp_path / "cmyk.jpg", mode="CMYK"),
        save(tmp_path / "transparent.png", mode="RGBA"),
        save(tmp_path / "one.png", size=(1, 1)),
        save(tmp_path / "wide.png", size=(101, 10_000)),
        save(tmp_path / "strange name\x1b[2J\udcff.png"),
    ]
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "animated.gif", save_all=True, append_images=frames[1:])
    code, out, lines = run(capsys, checkpoint, *files, tmp_path / "animated.gif")
    assert (code, lines) == (0, [])
    assert out.count(".png\n") + out.count(".jpg\n") + out.count(".gif\n") == 7
    assert "\x1b" not in out
    code, out, lines = run(capsys, checkpoint, *files, "--json", "--picture", tmp_path / "p.svg")
    assert (code, lines) == (0, [])


def test_every_bad_image_is_one_line_and_the_others_are_predicted(
    checkpoint, photos, tmp_path, capsys
):
    whole = save(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "nothing.png").write_bytes(b"")
    save(tmp_path / "narrow.png", size=(99, 10_000))
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "line\nbreak.png").write_bytes(b"")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    bad = {
        "cut.jpg": "cannot be read",
        "text.jpg": "not an image",
        "nothing.png": "not an image",
        "narrow.png": "too narrow",
        "missing.png": "No such file",
        "empty": "no image in this folder",
        "pipe.png": "neither a file nor a folder",
        "line\nbreak.png": "not an image",
        "float.tif": "floating-point",
        "a" * 300: "File name too long",
        "\0": "null byte",
    }
    names = [tmp_path / name for name in bad] + ["https://example.org/cat.jpg"]
    # All in one batch, each in a batch of its own, good ones between them.
    for size in (128, 1):
        code, out, lines = run(capsys, checkpoint, names[0], photos, *names[1:], "-b", size)
        assert code == 3
        assert len(lines) == len(names), lines
        assert all(line.startswith("error: ") for line in lines)
        for name, problem in bad.items():
            expected = " ".join(name.split()) or "\0"
            (line,) = [line for line in lines if f"/{expected}:" in line]
            assert problem in line
        assert "nothing is fetched" in " ".join(lines)
        assert out.count("true: ") == 2
    code, out, lines = run(capsys, checkpoint, *names, "--json", "--picture", tmp_path / "p.png")
    answer = json.loads(out)
    assert (code, answer["images"], len(answer["failed"])) == (3, [], len(names))
    assert not (tmp_path / "p.png").exists()


def test_a_folder_that_cannot_be_read(checkpoint, photos, capsys, monkeypatch):
    def scandir(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("alexnet.data.readers.image_tree.os.scandir", scandir)
    code, out, (line,) = run(capsys, checkpoint, photos, photos / "cat/1.png")
    assert code == 3
    assert "photos: cannot be read (Permission denied)" in line
    assert "1.png" in out


def test_errors_in_one_line(checkpoint, photos, tmp_path, capsys):
    for command, code, expected in (
        ([checkpoint], 2, "no image is given"),
        ([tmp_path / "none", photos], 4, "does not exist"),
        ([photos / "cat/1.png", photos], 4, "not a readable checkpoint"),
        ([checkpoint, photos, "--picture", "a.jpg"], 2, "does not end in .png or .svg"),
        ([checkpoint, photos, "-k", "0"], 2, "at least 1"),
    ):
        found, out, lines = run(capsys, *command)
        assert (found, out) == (code, "")
        assert len(lines) == 1 and expected in lines[0]


def test_picture(checkpoint, photos, tmp_path, capsys):
    for i in range(13):
        save(photos / "many" / f"{i}.png")
    code, _, lines = run(capsys, checkpoint, photos, "--picture", tmp_path / "p.png")
    assert code == 0
    assert lines == [f"{tmp_path / 'p.png'} shows the first 12 images only"]
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG" and image.width == 1110


def test_start_needs_neither_matplotlib_nor_random_numbers(checkpoint, photos, monkeypatch):
    script = (
        "import sys\n"
        "import alexnet.predict\n"
        "print(*{'matplotlib', 'pyarrow', 'cupy'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
    monkeypatch.setattr("numpy.random.Philox", lambda key: pytest.fail("drawn"))
    assert predict.main([str(checkpoint), str(photos)]) == 0
