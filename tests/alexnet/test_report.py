"""``python -m alexnet.report``: what the page holds and leaves out, and that a browser likes it."""

import argparse
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from alexnet import train
from alexnet.inference import options
from alexnet.report import __main__, network, results
from alexnet.report.content import Missing, Report
from alexnet.report.html import Section, page, pairs, slider, table
from alexnet.report.run import headline
from alexnet.run import filter_snapshots
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.folder import RUN_JSON
from alexnet.visualize import nearest, neighbors
from tests.alexnet.runs import CLASSES, OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--enable-logging=stderr",
)
VOID = {"meta", "link", "img", "input"}
SECTIONS = ["setup", "curves", "filters", "responses", "accuracy", "samples", "neighbours",
            "budget", "environment"]  # fmt: skip


@pytest.fixture(scope="module")
def original(narrow, tmp_path_factory):
    """A run of two epochs with snapshots, whose folder has a name that HTML must not take in."""
    root = tmp_path_factory.mktemp("report")
    for split, count in (("train", 8), ("val", 5)):
        write_images(root / "photos" / split, count=count)
    folder = root / "<b>run & 'co'"
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(folder)]
    assert train.main([*command, "--snapshot-filters"]) == 0
    assert __main__.main([str(folder)]) == 0
    return folder


@pytest.fixture
def run(original, tmp_path):
    """A copy, to take something away from."""
    return Path(shutil.copytree(original, tmp_path / original.name))


class Page(HTMLParser):
    """A page taken apart.

    Attributes:
        tags: name and attributes of each, in order.
        texts: by the id of the section they are in; "" outside of all.
        images: alternative texts, by section.
    """

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts, self.images = [], [], {}, {}
        self.section = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "section":
            self.section = attributes["id"]
        if tag == "img":
            self.images.setdefault(self.section, []).append(attributes["alt"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts[self.section] = self.texts.get(self.section, "") + data + " "


def read(folder, name="report.html"):
    return Page((folder / name).read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_anywhere(original):
    html = (original / "report.html").read_text(encoding="utf-8")
    assert len(html) < 5e6
    assert "url(" not in html and "@import" not in html and "fetch" not in html
    loading = ("src", "href", "srcset", "data", "action", "poster", "background")
    found = 0
    for tag, attributes in Page(html).tags:
        assert tag not in ("iframe", "object", "embed", "base", "form")
        assert not any(name.startswith("on") for name in attributes)
        for name in loading:
            if name in attributes:
                expected = {"img": "data:image/", "link": "data:,", "a": "#"}[tag]
                assert attributes[name].startswith(expected)
                found += 1
    assert found > 10
    assert "default-src 'none'" in html


def test_it_has_all_sections_and_every_picture_an_alternative(original):
    parsed = read(original)
    ids = [attributes["id"] for tag, attributes in parsed.tags if tag == "section"]
    assert ids == SECTIONS
    links = [attributes["href"] for tag, attributes in parsed.tags if tag == "a"]
    assert links == [f"#{name}" for name in SECTIONS]
    assert "Left out" not in " ".join(parsed.texts.values())
    assert set(parsed.images) == set(SECTIONS) - {"setup", "budget", "environment"}
    assert all(len(alt) > 10 for alts in parsed.images.values() for alt in alts)
    assert [tag for tag, _ in parsed.tags].count("h1") == 1


def test_the_numbers_are_those_of_the_run(original):
    parsed = read(original)
    rows = [json.loads(line) for line in (original / "metrics.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: row["val_top1"])
    checkpoint = Checkpoint.load(original / "best.safetensors")
    parameters = f"{sum(array.size for array in checkpoint.model.values()):,}"
    for expected in (f"{best['val_top1']:.1%}", f"epoch {best['epoch']} of 2", "chance 33.3%",
                     f"{best['val_loss']:.3f}", "guessing 1.099", parameters):  # fmt: skip
        assert expected in parsed.texts[""]
    assert "image size 67" in " ".join(parsed.texts["setup"].split())
    assert "{" not in parsed.texts["setup"]
    cells = parsed.texts["accuracy"].split()
    assert ["all", "images", "15", f"{best['val_top1']:.1%}"] == cells[
        cells.index("all") : cells.index("all") + 4
    ]
    assert all(name in cells for name in CLASSES)
    assert "conv1" in parsed.texts["budget"] and "fc8" in parsed.texts["budget"]
    assert parsed.texts["budget"].count(parameters) == 1
    machine = json.loads((original / "run.json").read_text())["starts"][-1]["machine"]
    assert machine["system"] in parsed.texts["environment"]


@pytest.mark.parametrize("precision", ["float32", "bf16", "bf16, then float32"])
def test_the_precision_of_training_is_named(run, precision):
    """That of all starts, whichever epoch was the best."""
    report = __main__.read_run(__main__.parser().parse_args([str(run)]))
    kept = json.loads((run / RUN_JSON).read_text())
    *before, now = precision.split(", then ")
    kept["arguments"]["precision"] = now
    kept["starts"] += [{"changed": {"precision": [other, now]}} for other in before]
    (run / RUN_JSON).write_text(json.dumps(kept))
    assert f"median; products in {precision}<" in headline(report)
    assert f"images/s with products in {precision} (median" in network.budget(report)
    # The accuracy is computed for the report, and can differ in the last digits.
    expected = f", with products in float32; in training they are in {precision}<"
    assert (expected in results.accuracy(report)) == (precision != "float32")
    (run / RUN_JSON).unlink()
    assert report.precision == "float32", "what the best checkpoint says"


def test_names_of_files_are_text(original):
    html = (original / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in html
    assert html.count("&lt;b&gt;run &amp; &#x27;co&#x27;") == 2  # title and heading


def test_the_slider_has_every_epoch_and_shows_the_last(original):
    frames = [
        attributes
        for tag, attributes in read(original).tags
        if tag == "img" and attributes["alt"].startswith("Kernels of conv1")
    ]
    assert [frame["alt"].rsplit(", ")[1] for frame in frames] == [
        *("before training", "epoch 1", "epoch 2")
    ]
    assert ["hidden" in frame for frame in frames] == [True, True, False]
    assert len({frame["src"] for frame in frames}) == 3
    (range_,) = [a for tag, a in read(original).tags if tag == "input"]
    assert (range_["min"], range_["max"], range_["value"]) == ("0", "2", "2")


NO_IMAGES = ["accuracy", "samples", "neighbours"]


@pytest.fixture
def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture
def no_data(original):
    """For the time of a test, the data of the run are somewhere else."""
    photos = original.parent / "photos"
    moved = photos.rename(original.parent / "moved")
    yield
    moved.rename(photos)


def left_out(folder, capsys, *options):
    """The sections that say so, and their texts."""
    capsys.readouterr()
    out = folder / "new.html"
    out.unlink(missing_ok=True)
    assert __main__.main([str(folder), "--out", str(out), *map(str, options)]) == 0
    printed, err = capsys.readouterr()
    assert printed == f"{out}\n"
    assert "Traceback" not in err
    parsed = read(folder, out.name)
    found = {id: t for id, t in parsed.texts.items() if "Left out" in t}
    assert len(parsed.images) > 1
    # A line for each reason, not for each section.
    reasons = [line.split(": ", 2)[2] for line in err.splitlines() if line.startswith("left out: ")]
    assert len(reasons) == len(set(reasons)) >= 1
    return found


def test_without_images(run, no_data, capsys):
    found = left_out(run, capsys)
    assert list(found) == NO_IMAGES
    assert all(
        "no such file or folder, but the data of the run were there" in t for t in found.values()
    )
    assert all("--data-root DIR" in text for text in found.values())


def test_a_report_is_not_replaced_by_one_without_images(run, no_data, capsys):
    before = (run / "report.html").read_bytes()
    assert __main__.main([str(run)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "--data-root DIR" in line and "--out FILE" in line
    assert (run / "report.html").read_bytes() == before
    (run / "report.html").unlink()
    assert __main__.main([str(run)]) == 0
    assert (run / "report.html").exists()


@pytest.mark.parametrize("options", [("--data-root", "{}"), ("--data", "cifar10")])
def test_images_that_are_named_and_cannot_be_used(run, empty, capsys, options):
    before = (run / "report.html").read_bytes()
    assert __main__.main([str(run), *(option.format(empty) for option in options)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert (run / "report.html").read_bytes() == before


def test_without_snapshots_and_with_damaged_ones(run, no_data, capsys):
    path = run / filter_snapshots.FOLDER / "epoch_0001.npy"
    path.write_bytes(b"nothing")
    found = left_out(run, capsys)
    assert list(found) == ["filters", *NO_IMAGES]
    assert "epoch_0001.npy is damaged" in found["filters"]
    for epoch_kernels in path.parent.iterdir():
        np.save(epoch_kernels, np.zeros((5, 3, 11, 11), np.float32))
    assert "another network" in left_out(run, capsys)["filters"]
    shutil.rmtree(path.parent)
    assert "--snapshot-filters" in left_out(run, capsys)["filters"]
    assert read(run, "new.html").images["filters"] == ["Kernels of conv1"]


def test_without_run_json_and_metrics(run, no_data, capsys):
    (run / "metrics.jsonl").unlink()
    (run / "run.json").write_text("[" * 100_000)
    found = left_out(run, capsys)
    assert list(found) == ["curves", *NO_IMAGES, "environment"]
    parsed = read(run, "new.html")
    assert "image size" in " ".join(parsed.texts["setup"].split())
    assert "parameters" in parsed.texts[""]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"arguments": {}, "starts": []}',
        '{"arguments": 3, "starts": [3]}',
        "no json",
        b"\xff",
        None,
    ],
)
def test_a_damaged_run_json(tmp_path, content):
    path = tmp_path / "run.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    report = Report(argparse.Namespace(checkpoint=tmp_path), None, {})
    with pytest.raises(Missing, match="no readable run.json"):
        report.run_json()


def test_a_continued_run_has_all_its_starts(run, no_data, capsys):
    path = run / "run.json"
    content = json.loads(path.read_text())
    later = content["starts"][0] | {
        "time": "later",
        "after_step": 1234,
        "changed": {"workers": [2, 0]},
        "versions": {"numpy": "9"},
    }
    path.write_text(json.dumps(content | {"starts": [*content["starts"], later]}))
    left_out(run, capsys)
    text = " ".join(read(run, "new.html").texts["environment"].split())
    assert text.startswith("Environment started later numpy 9")
    assert "later 1,234 workers: 2 → 0" in text


def test_samples_are_right_and_wrong_ones(original, monkeypatch):
    drawn = []
    monkeypatch.setattr(results.result_figures, "predictions", drawn.append)
    monkeypatch.setattr(results, "picture", lambda *arguments: "")
    results.samples(__main__.read_run(__main__.parser().parse_args([str(original)])))
    right, wrong = drawn
    assert all(item.top[0][0] == item.label for item in right)
    assert all(item.top[0][0] != item.label for item in wrong)
    names = [item.name for item in right + wrong]
    assert len(set(names)) == len(names) >= 2
    assert all(f"/val/{item.label}/" in item.name for item in right + wrong)


def test_neighbors_are_searched_in_an_index_or_in_some_images(run, monkeypatch):
    monkeypatch.setattr(neighbors, "SOME_IMAGES", 10)
    report = __main__.read_run(__main__.parser().parse_args([str(run)]))
    training = options.dataset(report.arguments, report.trained, "train")
    some = neighbors.some_index(report.trained, training)
    assert len(set(some.indices)) == 10
    assert training.labels[some.indices].tolist() == some.labels.tolist()

    monkeypatch.setattr(neighbors, "SOME_IMAGES", 24)
    whole = neighbors.some_index(report.trained, training)
    monkeypatch.setattr(neighbors, "SOME_IMAGES", 10)
    belongs_to = nearest.identity(report.checkpoint, training, "fc7")
    nearest.save(run / "index.safetensors", whole, belongs_to)
    assert neighbors.some_index(report.trained, training).indices.tolist() == whole.indices.tolist()
    nearest.save(run / "index.safetensors", whole, belongs_to | {"network": "another"})
    assert len(neighbors.some_index(report.trained, training).indices) == 10


def test_neighbors_of_training_images(run, capsys):
    found = left_out(run, capsys, "--split", "train")
    assert list(found) == ["neighbours"]
    assert "find itself" in found["neighbours"]


def test_errors_in_one_line(original, empty, tmp_path, capsys):
    for command, code, expected in [
        ([tmp_path / "nothing"], 4, "does not exist"),
        ([empty], 4, "is no run folder: neither best.safetensors nor last.safetensors is in it"),
        ([original / "best.safetensors"], 2, "give the folder of the run"),
        ([original, "--out", tmp_path / "r.pdf"], 2, "does not end in .html"),
        ([original, "--out", tmp_path / "none" / "r.html"], 2, "does not exist"),
    ]:
        capsys.readouterr()
        assert __main__.main([str(part) for part in command]) == code, command
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert expected in line


def test_parts_of_a_page_escape_what_they_are_given():
    evil = '"><script>alert(1)</script>\udcff'
    html = page(
        evil,
        pairs([(evil, evil), ("none", None)]) + table([evil], [[evil]], evil),
        [Section("one", evil, slider(["<i></i>"], [evil], evil))],
    )
    assert html.count("<script>") == 1  # its own
    html.encode()
    assert "–" in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_shows_it_without_complaints(original, tmp_path, width):
    shutil.copy(original / "report.html", tmp_path / "report.html")
    probe = (
        "<script>addEventListener('load', () => {"
        "const input = document.querySelector('.slider input');"
        "input.value = 1; input.dispatchEvent(new Event('input'));"
        "const shown = [...document.querySelectorAll('.slider img')]"
        ".map(i => i.getClientRects().length > 0);"
        "const label = document.querySelector('output:not([hidden])').value;"
        "const whole = [...document.images].every(i => i.complete && i.naturalWidth > 0);"
        "const wide = document.documentElement.scrollWidth > innerWidth;"
        "console.log('PROBE', JSON.stringify([shown, label, whole, wide,"
        " performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length"
        "]));});</script></body>"
    )
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(html.replace("</body>", probe), encoding="utf-8")
    command = [
        *(CHROMIUM, *BROWSER_OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"),
        *(f"--window-size={width},2000", f"--screenshot={tmp_path / 'page.png'}"),
        (tmp_path / "report.html").as_uri(),
    ]
    log = subprocess.run(command, capture_output=True, text=True, timeout=120).stderr
    assert (tmp_path / "page.png").exists(), log
    console = [line for line in log.splitlines() if "CONSOLE" in line]
    assert len(console) == 1, console
    (answer,) = re.findall(r"PROBE (\[.*\])", console[0])
    shown, label, whole, wide, requests = json.loads(answer)
    assert shown == [False, True, False]
    assert label == "epoch 1"
    assert whole
    assert not wide
    assert requests == 0
