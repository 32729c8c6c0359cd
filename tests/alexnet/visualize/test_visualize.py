"""``python -m alexnet.visualize``: what the commands draw and print, and their errors."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from alexnet import train
from alexnet.run import filter_snapshots
from alexnet.run.checkpoint import BEST, Checkpoint
from alexnet.run.filter_snapshots import FOLDER
from alexnet.run.metrics import read_rows
from alexnet.visualize import __main__ as visualize
from alexnet.visualize import curves, responses
from alexnet.visualize.response_figures import kernel_pages, overview_figure
from alexnet.visualize.responses import column_rows, kernel_rows
from alexnet.visualize.tuning import color_selectivity, mean_circular_variance, tuning
from tests.alexnet.runs import OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def run(narrow, tmp_path_factory):
    """A run of two epochs; tests only read it."""
    root = tmp_path_factory.mktemp("visualize")
    write_images(root / "photos")
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
    assert train.main([*command, "--snapshot-filters"]) == 0
    return root / "run"


def kernels_of(run):
    return Checkpoint.load(run / BEST).model["features.0.weight"]


@pytest.mark.parametrize(
    "options",
    [
        ("filters",),
        ("filters", "--normalize", "joint"),
        ("filters", "--epochs"),
        ("filters", "--epoch", "1"),
        ("filters", "--layer", "conv4", "--channels", "0,7"),
        ("filters", "--layer", "conv3", "--patches"),
        ("curves",),
    ],
)
def test_pictures(run, tmp_path, capsys, options):
    for suffix, kind in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        path = tmp_path / f"picture{suffix}"
        command = [options[0], str(run), *options[1:], "--out", str(path)]
        capsys.readouterr()
        assert visualize.main(command) == 0
        assert capsys.readouterr().out == f"{path}\n"
        assert path.read_bytes().startswith(kind)


def test_kernels_alone_need_no_images(run, tmp_path):
    """Only --patches looks for the data set, which may be gone by then."""
    checkpoint = Checkpoint.load(run / BEST)
    checkpoint.arguments["data_root"] = str(tmp_path / "gone")
    path = tmp_path / "network.safetensors"
    checkpoint.save(path)
    assert visualize.main(["filters", str(path)]) == 0
    assert (tmp_path / "filters-conv1.png").exists()
    assert visualize.main(["responses", str(path)]) == 0
    assert visualize.main(["filters", str(path), "--patches"]) == 3


def test_animation(run, tmp_path):
    path = tmp_path / "learning.gif"
    assert visualize.main(["filters", str(run), "--epochs", "--out", str(path)]) == 0
    with Image.open(path) as image:
        assert image.n_frames == 3


def test_responses(run, tmp_path, capsys):
    out, table = tmp_path / "r.png", tmp_path / "r.csv"
    command = ["responses", str(run), "--out", str(out), "--csv", str(table), "--json"]
    capsys.readouterr()
    assert visualize.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    # A page for each column.
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["r-1.png", "r-2.png", "r.png"]

    kernels = kernels_of(run)
    expected = tuning(kernels)
    rows = result["kernels"]
    assert [row["kernel"] for row in rows] == list(range(10))
    assert [row["column"] for row in rows] == [1] * 5 + [2] * 5
    assert [row["circular_variance"] for row in rows] == expected.circular_variance.tolist()
    assert [row["orientation_degrees"] for row in rows] == expected.orientation.tolist()
    assert [row["color_selectivity"] for row in rows] == color_selectivity(kernels).tolist()
    second = result["columns"][1]
    assert second["circular_variance"] == pytest.approx(expected.circular_variance[5:].mean())
    assert second["color_selectivity"] == pytest.approx(expected.color_selectivity[5:].mean())
    assert [epoch["epoch"] for epoch in result["epochs"]] == [0, 1, 2]
    first_epoch = filter_snapshots.load(run)[1]
    assert result["epochs"][1]["circular_variance"] == mean_circular_variance(first_epoch)
    with open(table, newline="") as file:
        in_file = list(csv.DictReader(file))
    assert [float(row["response"]) for row in in_file] == [row["response"] for row in rows]


@pytest.mark.parametrize("method", ["fourier", "gratings"])
def test_responses_of_an_epoch(run, tmp_path, capsys, monkeypatch, method):
    drawn, strength, kernels = [], [], filter_snapshots.load(run)
    monkeypatch.setattr(responses, "kernel_pages", lambda own, *others: drawn.append(own) or [])
    command = ["responses", str(run), "--out", str(tmp_path / "r.png"), "--json"]
    for epoch in (0, 2):
        capsys.readouterr()
        assert visualize.main([*command, "--method", method, "--epoch", str(epoch)]) == 0
        rows = json.loads(capsys.readouterr().out)["kernels"]
        selectivity = color_selectivity(kernels[epoch]).tolist()
        assert [row["color_selectivity"] for row in rows] == selectivity
        assert np.array_equal(drawn[-1], kernels[epoch])
        strength.append([row["response"] for row in rows])
    assert strength[0] != strength[1]


def test_gratings(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(responses, "kernel_pages", lambda *arguments: [])  # drawn elsewhere
    command = ["responses", str(run), "--out", str(tmp_path / "r.png"), "--json"]
    results = []
    for method in ("fourier", "gratings"):
        capsys.readouterr()
        assert visualize.main([*command, "--method", method]) == 0
        results.append(json.loads(capsys.readouterr().out)["kernels"])
    for exact, measured in zip(*results):
        assert measured["response"] != exact["response"]
        assert measured["response"] == pytest.approx(exact["response"], rel=1e-4)
        assert measured["circular_variance"] == pytest.approx(exact["circular_variance"], abs=0.02)


def test_dead_kernels_are_shown_as_such(run, tmp_path, capsys):
    checkpoint = Checkpoint.load(run / BEST)
    weights = checkpoint.model["features.0.weight"]
    weights[:5] = 0  # a whole column
    weights[7] = 0
    path = tmp_path / "dead.safetensors"
    checkpoint.save(path)
    assert visualize.main(["responses", str(path)]) == 0
    assert "circular variance undefined, color" in capsys.readouterr().out

    numbers = tuning(weights)
    rows, columns = kernel_rows(numbers, 2), column_rows(numbers, 2)
    assert [row["kernel"] for row in rows if row["circular_variance"] is None] == [0, 1, 2, 3, 4, 7]
    assert [column["undefined"] for column in columns] == [5, 1]
    assert columns[0]["circular_variance"] is None
    pages = kernel_pages(weights, numbers, 2, "conv1")
    texts = [[text.get_text() for text in page.texts] for page in pages]
    assert sum("undefined" in text for text in texts[0]) == 5
    assert [text for text in texts[1] if "undefined" in text] == ["7   CV undefined: no response"]
    overview = overview_figure(numbers, 2, "conv1", {})
    labels = [text.get_text() for text in overview.axes[0].get_legend().get_texts()]
    assert labels[0] == "column 1: none defined, 5 undefined"
    assert labels[1].endswith(", 1 undefined")


def test_curves_show_the_rows(run):
    figure = curves.curves_figure([curves.read(run)])
    rows = read_rows(run)
    loss, top1, top5, lr, speed, variance = figure.axes
    shown = {
        (loss, "--"): "train_loss", (loss, "-"): "val_loss", (top1, "--"): "train_top1",
        (top1, "-"): "val_top1", (top5, "-"): "val_top5", (lr, "-"): "lr",
        (speed, "-"): "images_per_s",
    }  # fmt: skip
    drawn = {(axes, line.get_linestyle()): line for axes in figure.axes for line in axes.lines}
    for place, column in shown.items():
        assert drawn[place].get_xdata().tolist() == [1, 2]
        assert drawn[place].get_ydata().tolist() == [row[column] for row in rows]
    (line,) = variance.lines
    assert line.get_xdata().tolist() == [0, 1, 2]
    expected = [mean_circular_variance(k) for k in filter_snapshots.load(run).values()]
    assert line.get_ydata().tolist() == expected
    assert not math.isnan(expected[0])


def test_runs_without_snapshots_are_compared_in_what_they_have(run, tmp_path):
    (tmp_path / "bare").mkdir()
    for name in ("metrics.jsonl", "metrics.csv"):
        (tmp_path / "bare" / name).write_bytes((run / name).read_bytes())
    bare = curves.read(tmp_path / "bare")
    assert not curves.curves_figure([bare]).axes[-1].get_visible()
    both = curves.curves_figure([bare, curves.read(run)])
    assert both.axes[-1].get_visible()
    assert len({line.get_color() for line in both.axes[0].lines}) == 2


def test_errors_in_one_line(run, tmp_path, capsys):
    unknown = Checkpoint.load(run / BEST)
    unknown.architecture = "vgg"
    unknown.save(tmp_path / "vgg.safetensors")
    other = Checkpoint.load(run / BEST)
    other.model["features.0.weight"] = np.zeros((10, 3, 7, 7), np.float32)
    other.save(tmp_path / "other.safetensors")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / BEST).write_bytes((run / BEST).read_bytes())
    (tmp_path / "damaged" / FOLDER).mkdir(parents=True)
    (tmp_path / "damaged" / BEST).write_bytes((run / BEST).read_bytes())
    (tmp_path / "damaged" / FOLDER / "epoch_0001.npy").write_bytes(b"")
    (tmp_path / "mixed" / FOLDER).mkdir(parents=True)
    (tmp_path / "mixed" / BEST).write_bytes((run / BEST).read_bytes())
    np.save(tmp_path / "mixed" / FOLDER / "epoch_0001.npy", np.zeros((7, 3, 11, 11)))
    unwritable = tmp_path / "nowhere" / "picture.png"
    folder = tmp_path / "folder.png"
    folder.mkdir()
    (tmp_path / "file").write_text("")
    cases = [
        (["filters", tmp_path / "nothing"], 4, "does not exist"),
        (["filters", tmp_path / "vgg.safetensors"], 4, "cannot be built"),
        (["filters", tmp_path / "other.safetensors"], 4, "does not fit"),
        (["filters", run, "--layer", "conv6"], 2, "conv1, conv2, conv3, conv4, conv5"),
        (["filters", run, "--layer", "conv2", "--epochs"], 2, "of conv1"),
        (["filters", run, "--layer", "conv2", "--epoch", "1"], 2, "of conv1"),
        (["filters", run, "--epochs", "--epoch", "1"], 2, "exclude each other"),
        (["filters", run, "--epoch", "3"], 2, "of epoch 3 were not kept, but those of 0 to 2"),
        (["filters", run, "--epoch", "0,1,2,0,1,2,0,1,2"], 2, "9 epochs are too many for a page"),
        (["filters", run, "--epoch", "1,x"], 2, "such as 0,1,15"),
        (["responses", run, "--epoch", "3"], 2, "of epoch 3 were not kept"),
        (["responses", tmp_path / "alone", "--epoch", "1"], 4, "--snapshot-filters"),
        (["filters", tmp_path / "alone", "--epochs"], 4, "--snapshot-filters"),
        (["filters", tmp_path / "damaged", "--epochs"], 4, "epoch_0001.npy"),
        (["filters", tmp_path / "mixed", "--epochs"], 4, "not those of this network"),
        (["filters", run, "--out", tmp_path / "picture.jpg"], 2, ".png or .svg"),
        (["filters", run, "--out", tmp_path / "picture.gif"], 2, "only --epochs"),
        (["filters", run, "--out", unwritable], 2, "nowhere"),
        (["filters", run, "--epochs", "--out", unwritable.with_suffix(".gif")], 2, "nowhere"),
        (["filters", run, "--out", folder], 7, "a folder, not a file"),
        (["filters", run, "--layer", "conv2", "--channels", "0,99"], 2, "no channel 99"),
        (["filters", run, "--layer", "conv2", "--channels", "0,-1"], 2, "such as 0,5,17"),
        (["filters", run, "--layer", "conv2", "--channels", "a"], 2, "such as 0,5,17"),
        (["filters", run, "--patches", "--data-root", tmp_path / "alone"], 3, "nothing in it"),
        (["responses", tmp_path / "vgg.safetensors"], 4, "cannot be built"),
        (["responses", tmp_path / "damaged"], 4, "epoch_0001.npy"),
        (["responses", run, "--out", unwritable], 2, "nowhere"),
        (["responses", run, "--csv", unwritable], 2, "nowhere"),
        (["curves", tmp_path / "nothing"], 4, "with a complete epoch"),
        (["curves", tmp_path / "file"], 4, "with a complete epoch"),
        (["curves", *[run] * 8], 2, "at most 7"),
        (["curves", run, "--out", unwritable], 2, "nowhere"),
        (["unknown"], 2, "invalid choice"),
    ]
    for command, code, expected in cases:
        capsys.readouterr()
        assert visualize.main([str(part) for part in command]) == code, command
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert expected in line, line
