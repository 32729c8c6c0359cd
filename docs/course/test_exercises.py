"""The answers of the course are right, and so is what a student has written.

A lesson's check compares one module's functions with finite differences, with minigrad or with
loops. An exercise that nobody has written yet is reported as skipped.
"""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from course.checks.compare import WrongAnswer


def lessons(folder: str) -> list[str]:
    """The names of the modules in a folder of the course."""
    return sorted(path.stem for path in (Path(__file__).parent / folder).glob("lesson_*.py"))


def check(folder: str, lesson: str) -> None:
    """Check one lesson's module in `folder`, "answers" or "exercises"."""
    solution: ModuleType = importlib.import_module(f"course.{folder}.{lesson}")
    importlib.import_module(f"course.checks.{lesson}").check(solution)


@pytest.mark.parametrize("lesson", lessons("answers"))
def test_answer(lesson: str) -> None:
    check("answers", lesson)


@pytest.mark.parametrize("lesson", lessons("exercises"))
def test_exercise(lesson: str) -> None:
    number = int(lesson.removeprefix("lesson_"))
    try:
        check("exercises", lesson)
    except NotImplementedError:
        pytest.skip(f"exercise {number}: write docs/course/exercises/{lesson}.py")
    except WrongAnswer as error:
        raise pytest.fail.Exception(f"exercise {number}: {error}", pytrace=False) from None
