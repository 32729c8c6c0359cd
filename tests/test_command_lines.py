"""The commands, their options and their exit codes are what people and programs rely on.

``python -m tests.test_command_lines`` writes the list anew, where a change is meant.
"""

import argparse
import ast
import contextlib
import importlib
import itertools
import json
import re
from pathlib import Path

import pytest

from alexnet import cli
from alexnet.errors import UsageError

ROOT = Path(__file__).parents[1]
STORED = Path(__file__).with_name("command_lines.json")
COMMANDS = [
    *(f"alexnet.{name}" for name in ("train", "evaluate", "predict", "features")),
    *(f"alexnet.{name}" for name in ("summary", "convert", "runs", "compare")),
    *(
        f"alexnet.{name}.__main__"
        for name in ("visualize", "report", "doctor", "data", "experiments")
    ),
    "alexnet.__main__",
    *(f"benchmarks.{name}" for name in ("layers", "step", "scale", "startup", "memory", "data")),
    *("benchmarks.onnx", "benchmarks.winograd", "benchmarks.bf16_training"),
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
    ("alexnet.train", "--subset 8 --image-size 67 --resize 66", 2),
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
    ("alexnet.convert", "{folder}", 2),
    ("alexnet.convert", "{folder} --out a.txt", 2),
    ("alexnet.convert", "{folder} --out a.safetensors --mean 1,2", 2),
    ("alexnet.convert", "{folder} --out a.safetensors --std 0.229,0.224,0.225", 2),
    ("alexnet.convert", "{folder} --out a.onnx --dtype float16", 2),
    ("alexnet.convert", "{folder} --out a.safetensors --classes missing", 2),
    ("alexnet.convert", "{folder} --out a.safetensors", 4),
    ("alexnet.convert", "missing --out a.safetensors", 4),
    ("alexnet.experiments.__main__", "nothing", 2),
    ("alexnet.experiments.__main__", "cifar10", 2),
    ("alexnet.experiments.__main__", "cifar10 --table", 2),
    ("alexnet.experiments.__main__", "cifar10 --data-root {folder}", 3),
    ("alexnet.__main__", "nothing", 2),
    ("benchmarks.step", "--batch x", 2),
    ("benchmarks.compare", "{folder}/a.json {folder}/b.json", 3),
    ("benchmarks.scale", "--plot {folder}/missing/a.png", 7),
    ("benchmarks.gpu_check.__main__", "", 8),
]


class _Parser(Exception):
    """Carries the parser of a command out of it."""


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


def parsers():
    """The parser of every command, by its name."""

    def parse_args(parser, *arguments):
        raise _Parser(parser)

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.Parser, "parse_args", parse_args)
        for name in COMMANDS:
            try:
                importlib.import_module(name).main(["--an-option-to-get-at-the-parser"])
            except _Parser as caught:
                found[name.removesuffix(".__main__")] = caught.args[0]
    return found


def leaf_parsers():
    """The parsers that no command follows."""
    for name, parser in parsers().items():
        subparsers = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        for action in subparsers:
            for command, subparser in action.choices.items():
                yield f"{name} {command}", subparser
        if not subparsers:
            yield name, parser


def command_lines():
    """Every command with its options."""
    return {name: _options(parser) for name, parser in parsers().items()}


def test_commands_and_options_are_those_stored():
    assert command_lines() == json.loads(STORED.read_text())


VALUES = (
    "2",
    "0.5",
    "1h",
    "9,9,9",
    "conv3",
    "a.png",
    "a.svg",
    "a.csv",
    "a.html",
    "a.gif",
    "a.onnx",
    "a:0",
    "a=b",
)


def _words(action):
    """A value, or two, that an argument takes."""
    if action.nargs == 0:
        return []
    parse = action.type or str
    for word in action.choices or VALUES:
        with contextlib.suppress(ValueError, argparse.ArgumentTypeError):
            parse(str(word))
            return [str(word)] * (2 if action.nargs in ("*", "+") else 1)
    raise AssertionError(f"what does {action} take?")


def _option_words(action):
    """An option with its value; one that takes any number takes what follows it, too."""
    return [] if action.nargs in ("*", "+") else [action.option_strings[0], *_words(action)]


def test_options_stand_anywhere(tmp_path, monkeypatch):
    """Before, between and behind other arguments; behind -- there are none."""
    monkeypatch.chdir(tmp_path)
    tried = 0
    for name, parser in leaf_parsers():
        positionals = [action for action in parser._actions if not action.option_strings]
        others = [word for action in positionals for word in _words(action)]
        options = [
            _option_words(action)
            for action in parser._actions
            if action.option_strings and not isinstance(action, argparse._HelpAction)
        ]
        required = [
            word
            for action in parser._actions
            if action.option_strings and action.required
            for word in _option_words(action)
        ]
        for option in filter(None, options if others else []):
            given = [*required, *option]
            expected = parser.parse_args([*given, *others])
            for place in range(1, len(others) + 1):
                words = [*others[:place], *given, *others[place:]]
                assert parser.parse_args(words) == expected, f"{name} {' '.join(words)}"
                words = [*others[:place], *given, "--", *others[place:]]
                assert parser.parse_args(words) == expected, f"{name} {' '.join(words)}"
                tried += 2
    assert tried > 250


def test_options_are_not_abbreviated():
    """Or a new option could change what an old command line means."""
    for name, parser in leaf_parsers():
        for option in parser._option_string_actions:
            shorter = option[:-1]
            if len(shorter) > 3 and shorter not in parser._option_string_actions:
                with pytest.raises(UsageError, match=f"unrecognized arguments: {shorter}|required"):
                    parser.parse_args([shorter])
                    pytest.fail(f"{name} {shorter}")


# What comes before a folder in a command.
BEFORE_FOLDER = re.compile(r"(python -m \S+|--(\w+-root|resume|out|init-from)) $")


def test_printed_folders_are_quoted():
    """By `cli.command`: a name with a space would be two words in a shell."""
    unquoted = []
    for path in sorted([*(ROOT / "alexnet").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]):
        for text in ast.walk(ast.parse(path.read_text())):
            if not isinstance(text, ast.JoinedStr):
                continue
            for before, value in itertools.pairwise(text.values):
                if isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue):
                    if BEFORE_FOLDER.search(before.value):
                        unquoted.append(f"{path.relative_to(ROOT)}: {ast.unparse(text)}")
    assert unquoted == []


@pytest.mark.parametrize("command, arguments, code", EXIT_CODES)
def test_exit_codes(command, arguments, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = arguments.format(folder=tmp_path).split()
    assert importlib.import_module(command).main(options) == code
    assert "Traceback" not in capsys.readouterr().err


def main(argv: list[str] | None = None) -> None:
    """Write the list anew."""
    argparse.ArgumentParser(description=main.__doc__).parse_args(argv)
    STORED.write_text(json.dumps(command_lines(), indent=1) + "\n")


if __name__ == "__main__":
    main()
