"""The course is complete, and its checks find wrong answers and say what is wrong with them."""

import importlib
import inspect
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from course.checks.compare import WrongAnswer, require_close
from tests import figures_of_docs

COURSE = Path(__file__).parents[1] / "docs/course"
PAGES = sorted(COURSE.glob("[0-9]*.md"))
LESSONS = [page.name[:2] for page in PAGES]


def lesson(number, folder):
    return importlib.import_module(f"course.{folder}.lesson_{number}")


def functions(module):
    return {
        name: inspect.signature(function)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_lesson_is_complete():
    assert LESSONS == [f"{number:02}" for number in range(1, len(LESSONS) + 1)]
    for folder in ("answers", "checks", "exercises"):
        files = {path.stem for path in (COURSE / folder).glob("lesson_*.py")}
        assert files == {f"lesson_{number}" for number in LESSONS}


@pytest.mark.parametrize("page", PAGES, ids=LESSONS)
def test_page_has_its_exercise_its_figure_and_its_neighbors(page):
    text, number = page.read_text(encoding="utf-8"), page.name[:2]
    assert f"(exercises/lesson_{number}.py)" in text
    assert f"pytest docs/course -k {number}\n" in text
    assert f"(figures/{number}-" in text
    neighbors = PAGES[max(0, PAGES.index(page) - 1) : PAGES.index(page) + 2]
    assert all(f"({other.name})" in text for other in neighbors if other != page)


@pytest.mark.parametrize("number", LESSONS)
def test_exercise_asks_for_the_functions_of_the_answer(number):
    exercise, answer = lesson(number, "exercises"), lesson(number, "answers")
    assert functions(answer).items() <= functions(exercise).items()


# By lesson: a mistake that a student could make, as functions in place of the answer's, and what
# is said about it.
WRONG_ANSWERS = [
    (
        "01",
        {"neuron_gradients": lambda w1, w2, b, x1, x2, t: (x1, x2, 1.0)},
        r"neuron_gradients \(of w1, w2, b\): expected \S+, got \S+ at \[0\]; 3 of 3 elements",
    ),
    (
        "02",
        {"linear_gradients": lambda grad, input, weight: (grad @ weight, input.T @ grad)},
        r"gradient of weight: expected the shape \(4, 3\), got \(3, 4\)",
    ),
    (
        "03",
        {"centered_gradient": lambda grad: grad},
        r"centered_gradient: expected \S+, got \S+ at \[0, 0\]; 12 of 12",
    ),
    (
        "04",
        {"dilated_convolution": lambda image, weight, dilation: image[: 1 - dilation or None]},
        r"output with dilation 1: expected the shape \(6, 7\), got \(7, 9\)",
    ),
    (
        "05",
        {"grouped_columns_gradient": lambda grad, weight, groups: weight.reshape(8, -1).T @ grad},
        r"gradient of the columns with 2 groups: expected the shape \(36, 9\), got \(18, 9\)",
    ),
    (
        "06",
        {"normalize_all_gradient": lambda grad, a, k: grad / np.sqrt(k + np.sum(a**2))},
        r"normalize_all_gradient: expected \S+, got \S+ at \[0\]; 6 of 6",
    ),
    (
        "07",
        {"avg_pool_gradient": lambda grad, shape, size, stride: np.full(shape, grad.mean())},
        r"windows of 2x2 with stride 2: expected \S+, got \S+ at \[0, 0\]; 56 of 56",
    ),
    (
        "08",
        {"channel_dropout_gradient": lambda grad, p, random, first: grad / (1 - p)},
        r"gradient with p = 0.25, first = 0: expected 0, got \S+ at \[0, 2, 0, 0\];",
    ),
    (
        "09",
        {"largest_rate": lambda curvature, momentum: 2 / curvature},
        r"\(curvature=10, momentum=0.5\): got 0.2, expected more: 2% above it steps converge",
    ),
    (
        "10",
        {"parameters": lambda num_classes, image_size, groups: 60_954_656},
        r"parameters\(1000, 227, 2\): expected 60,965,224, got 60,954,656. Layer by layer: {",
    ),
]


@pytest.mark.parametrize("number, functions, message", WRONG_ANSWERS)
def test_wrong_answer_is_found(number, functions, message):
    answer = vars(lesson(number, "answers"))
    with pytest.raises(WrongAnswer, match=message):
        lesson(number, "checks").check(SimpleNamespace(**(answer | functions)))


@pytest.mark.parametrize("number", LESSONS)
def test_missing_return_is_found(number):
    answer = lesson(number, "answers")
    missing = dict.fromkeys(functions(answer), lambda *arguments: None)
    with pytest.raises(WrongAnswer, match="got None"):
        lesson(number, "checks").check(SimpleNamespace(**missing))


def test_every_lesson_has_a_wrong_answer():
    assert {number for number, *_ in WRONG_ANSWERS} == set(LESSONS)


def test_students_are_told_what_is_wrong_and_what_is_not_written(tmp_path):
    copy = tmp_path / "docs/course"
    shutil.copytree(COURSE, copy, ignore=shutil.ignore_patterns("figures", "__pycache__"))
    written = copy / "exercises/lesson_02.py"
    code = written.read_text().replace("raise NotImplementedError", "return grad_output, weight")
    written.write_text(code)
    options = ["docs/course", "-k", "lesson_01 or lesson_02", "-ra", "-o", "pythonpath=docs"]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(COURSE.parents[1]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert "exercise 1: write docs/course/exercises/lesson_01.py" in finished.stdout
    expected = "exercise 2: gradient of input: expected the shape (2, 3), got (2, 4)\n"
    assert expected in finished.stdout and "Traceback" not in finished.stdout
    assert "1 failed, 2 passed, 1 skipped" in finished.stdout


@pytest.mark.parametrize(
    "got, message",
    [
        (None, r"gradient: expected the shape \(2, 3\), got None; is a return missing"),
        ([[1, 1, 1], [1, 1]], r"gradient: expected numbers of the shape \(2, 3\): setting an"),
        (np.zeros((2, 3), bool), r"gradient: expected 1, got 0 at \[0, 0\]"),
        (np.ones((3, 2)), r"gradient: expected the shape \(2, 3\), got \(3, 2\)"),
        (np.array([[1, 1, 1], [1, 2, 1]]), r"gradient: expected 1, got 2 at \[1, 1\]$"),
        (np.full((2, 3), math.nan), r"gradient: expected 1, got nan at \[0, 0\]; 6 of 6"),
    ],
)
def test_message_says_where_and_what(got, message):
    with pytest.raises(WrongAnswer, match=message):
        require_close("gradient", got, np.ones((2, 3)))


@pytest.mark.parametrize("is_same", [True, False], ids=["same version", "other version"])
def test_figure_that_differs_is_found(is_same, tmp_path):
    shown, drawn = tmp_path / "shown" / "01-a.png", tmp_path / "01-a.png"
    shown.parent.mkdir()
    pixels = np.full((160, 160, 3), 255, np.uint8)
    save(pixels, shown, "Matplotlib version3.9")
    with pytest.raises(AssertionError, match=re.escape("drawn: []")):
        figures_of_docs.require_drawn([shown], tmp_path)
    software = f"Matplotlib version{'3.9' if is_same else '3.10'}"
    save(pixels[:152], drawn, software)
    with pytest.raises(AssertionError, match="01-a.png has another size"):
        figures_of_docs.require_drawn([shown], tmp_path)
    pixels[41, 40:120] = 0  # a line of one pixel
    save(pixels, drawn, software)
    if is_same:
        with pytest.raises(AssertionError, match="2.5% of 01-a.png looks different"):
            figures_of_docs.require_drawn([shown], tmp_path)
    else:
        figures_of_docs.require_drawn([shown], tmp_path)
    pixels[41:45, 40:120] = 0  # and of four
    save(pixels, drawn, software)
    with pytest.raises(AssertionError, match="% of 01-a.png looks different"):
        figures_of_docs.require_drawn([shown], tmp_path)


def save(pixels, path, software):
    """A picture with the name of what has written it, as Matplotlib notes it."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", software)
    Image.fromarray(pixels).save(path, pnginfo=texts)
