"""The commands, their options and their exit codes are what people and programs rely on.

``python -m tests.test_command_lines`` writes the list anew, where a change is meant.
"""

import argparse
import contextlib
import importlib
import json
from pathlib import Path

import pytest

from alexnet import cli

STORED = Path(__file__).with_name("command_lines.json")
COMMANDS = [
    *(f"alexnet.{name}" for name in ("train", "evaluate", "predict", "summary")),
    *(f"alexnet.{name}.__main__" for name in ("visualize", "report", "doctor", "data")),
    "alexnet.__main__",
    *(f"benchmarks.{name}" for name in ("layers", "step", "scale", "startup", "memory", "data")),
    *("benchmarks.compare", "benchmarks.gpu_check.__main__"),
]
# Exit codes of what goes wrong before anything is computed.
EXIT_CODES = [
    ("alexnet.train", "--epochs 0", 2),
    ("alexnet.train", "--nothing", 2),
    ("alexnet.train", "--data-root {folder}/missing", 3),
    ("alexnet.train", "--data-root {folder}", 3),
    ("alexnet.train", "--resume {folder}", 4),
    ("alexnet.train", "--resume {folder}/missing.safetensors", 4),
    ("alexnet.train", "--init-from {folder}", 4),
    ("alexnet.train", "--backend cuda --out {folder}/run", 8),
    ("alexnet.train", "--subset 8 --image-size 67 --batch-size 1000000000", 6),
    ("alexnet.train", "--subset 8 --image-size 67 --out /proc/run", 7),
    ("alexnet.evaluate", "", 2),
    ("alexnet.evaluate", "{folder}", 4),
    ("alexnet.predict", "{folder}/missing", 2),
    ("alexnet.predict", "{folder}/missing image.png", 4),
    ("alexnet.visualize.__main__", "filters", 2),
    ("alexnet.visualize.__main__", "filters {folder}", 4),
    ("alexnet.visualize.__main__", "neighbours {folder}", 4),
    ("alexnet.report.__main__", "{folder}", 4),
    ("alexnet.doctor.__main__", "--data-root {folder}", 3),
    ("alexnet.data.__main__", "check {folder}", 3),
    ("alexnet.data.__main__", "nothing", 2),
    ("alexnet.summary", "--arch nothing", 2),
    ("alexnet.summary", "--image-size 3", 2),
    ("alexnet.__main__", "nothing", 2),
    ("benchmarks.gpu_check.__main__", "", 8),
]


class _Parser(Exception):
    """Carries the parser of a command out of it."""


@contextlib.contextmanager
def _caught_parsers(patch):
    def parse_args(parser, *arguments):
        raise _Parser(parser)

    patch.setattr(cli.Parser, "parse_args", parse_args)
    yield


def _options(parser):
    """What can be given: by its names, what it takes."""
    listed = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                listed[name] = _options(subparser)
            continue
        names = " ".join(action.option_strings) or action.dest
        if names == "-h --help":
            continue
        choices = None if action.choices is None else list(map(str, action.choices))
        takes = choices or action.metavar or ("" if action.nargs == 0 else action.dest)
        listed[names] = [takes, action.nargs if action.nargs in ("*", "+", "?") else None]
    return listed


def command_lines(patch):
    """Every command with its options."""
    listed = {}
    for name in COMMANDS:
        with _caught_parsers(patch):
            try:
                importlib.import_module(name).main(["--an-option-to-get-at-the-parser"])
            except _Parser as caught:
                listed[name.removesuffix(".__main__")] = _options(caught.args[0])
    return listed


def test_commands_and_options_are_those_stored(monkeypatch):
    assert command_lines(monkeypatch) == json.loads(STORED.read_text())


@pytest.mark.parametrize("command, arguments, code", EXIT_CODES)
def test_exit_codes(command, arguments, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = arguments.format(folder=tmp_path).split()
    assert importlib.import_module(command).main(options) == code
    assert "Traceback" not in capsys.readouterr().err


def main(argv: list[str] | None = None) -> None:
    """Write the list anew."""
    argparse.ArgumentParser(description=main.__doc__).parse_args(argv)
    with pytest.MonkeyPatch.context() as patch:
        text = json.dumps(command_lines(patch), indent=1)
    STORED.write_text(text + "\n")


if __name__ == "__main__":
    main()
