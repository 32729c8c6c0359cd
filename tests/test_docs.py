"""What README and docs say is true: code runs, commands parse, links and paths lead somewhere.

A code block is one of these:

    python      runs, with those before it on its page; what it prints stands in the text block
                that follows it directly, with "..." for what is not the same each time; `FILES`
                makes the files that it reads; a lesson of the course draws the figures it shows
    sh          commands: modules, options, extras and files exist; where a text block follows
                directly, they are run and print it
    cpp         is quoted from a CUDA source
    LANGUAGE FILE    a file of docs/add-an-operation.md, or, as a diff, a change of one
    toml        settings, as `--config` takes them
    text        the output of an earlier run, or a drawing
"""

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minigrad
from alexnet import cli
from alexnet.data.sources import NAMES
from alexnet.training import base_settings
from alexnet.training.invocation import Invocation
from alexnet.training.options import new_run
from tests import figures_of_docs, files_of_docs

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "docs/course"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(COURSE.glob("*.md")),
    ROOT / "kernels/README.md",
    ROOT / "tests/cuda_emulator/README.md",
    ROOT / "tests/emulated_gpu/README.md",
]
OPERATION = ROOT / "docs/add-an-operation.md"
FENCE = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# By page, what makes the files that its Python code reads in a folder.
FILES = {
    ROOT / "README.md": files_of_docs.readme,
    ROOT / "docs/python.md": files_of_docs.photos,
    ROOT / "docs/weights.md": files_of_docs.weights,
}
FOLDERS = {"minigrad", "kernels", "alexnet", "benchmarks", "tests", "docs", "examples", ".ci"}


@dataclasses.dataclass
class Block:
    """A code block: its language, the file that it belongs to, its text, and what it prints."""

    language: str
    file: str | None
    text: str
    output: str | None = None


def blocks(page):
    """The code blocks of a page; a text block right after code to be run is that one's output."""
    text, found, end = page.read_text(encoding="utf-8"), [], None
    for match in FENCE.finditer(text):
        block = Block(*match.groups())
        directly = end is not None and not text[end : match.start()].strip()
        if block.language == "text" and directly and found[-1].language in ("python", "sh"):
            found[-1].output = block.text
        else:
            found.append(block)
        end = match.end()
    return found


def blocks_of(language):
    """(page, block) for every block of a language that is not a file's."""
    return [
        (page, block)
        for page in PAGES
        for block in blocks(page)
        if block.language == language and not block.file
    ]


def prose(page):
    """The text of a page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def name_of(page):
    return str(page.relative_to(ROOT))


def in_process(*command, cwd=ROOT, project=None):
    """Run a command in a folder; returns what it prints.

    Args:
        project: where its imports come from, a copy of the project; default: that folder.
    """
    environment = os.environ | {"PYTHONPATH": str(project or cwd)}
    finished = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


# -- code blocks --------------------------------------------------------------------------

RUN_BLOCKS = """
import contextlib, io, json, sys
namespace, printed = {}, []
for number, code in enumerate(json.loads(sys.argv[1]), start=1):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, f"block {number}", "exec"), namespace)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_code_block_is_of_a_kind_that_is_checked(page):
    for block in blocks(page):
        plain = block.language in ("python", "sh", "cpp", "toml", "text") and not block.file
        assert plain or (page == OPERATION and block.file), block


@pytest.mark.parametrize(
    "page", dict.fromkeys(page for page, _ in blocks_of("python")), ids=name_of
)
def test_python_blocks_print_what_the_page_shows(page, tmp_path):
    code = [block for block in blocks(page) if block.language == "python" and not block.file]
    if page in FILES:
        FILES[page](tmp_path)
    command = sys.executable, "-c", RUN_BLOCKS, json.dumps([block.text for block in code])
    has_folder = page in FILES or page.parent == COURSE
    printed = in_process(*command, cwd=tmp_path if has_folder else ROOT, project=ROOT)
    for block, text in zip(code, json.loads(printed), strict=True):
        shown = map(re.escape, (block.output or "").split("..."))
        assert re.fullmatch(".+".join(shown), text), f"{block.text}prints\n{text}"
    if page.parent == COURSE:
        shown = [page.parent / link for link in LINK.findall(prose(page)) if link.endswith(".png")]
        figures_of_docs.require_drawn(shown, tmp_path)


def test_the_readme_shows_the_example_of_the_engine():
    code, *_ = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert code.text == (ROOT / "examples/autograd.py").read_text(encoding="utf-8")


def test_quoted_cuda_code_stands_in_a_source():
    def squeezed(text):
        return "\n".join(line.strip() for line in text.strip().splitlines())

    sources = [squeezed(path.read_text()) for path in (ROOT / "kernels").rglob("*.cu*")]
    for _, block in blocks_of("cpp"):
        assert any(squeezed(block.text) in source for source in sources), block.text


def test_settings_in_a_file_can_be_read(tmp_path):
    for _, block in blocks_of("toml"):
        file = tmp_path / "mine.toml"
        file.write_text(block.text)
        given = base_settings.complete({}, Invocation(config=file))
        assert new_run(given).epochs == given["epochs"]


# -- commands -----------------------------------------------------------------------------


def commands(text):
    """The commands of a shell block as lists of words, without comments and variables."""
    for line in text.splitlines():
        for part in shlex.join(shlex.split(line, comments=True)).split(" '&&' "):
            words = shlex.split(part)
            while words and re.match(r"[A-Z_]+=", words[0]):
                del words[0]
            if words:
                yield words


def all_commands():
    for page, block in blocks_of("sh"):
        yield from ((page, words) for words in commands(block.text))
    for page in PAGES:
        for code in re.findall(r"`([^`]+)`", prose(page)):
            if re.match(r"(python -m \w|python \w+/|pip install|pytest|ruff) ?", code):
                for words in commands(code):
                    # A name in a sentence leaves out what the command cannot do without.
                    is_name = words[:2] == ["python", "-m"] and not any("-" in w for w in words[2:])
                    yield page, [*words, "--help"] if is_name else words


COMMANDS = {" ".join(words): words for _, words in all_commands()}


class _Parsed(BaseException):
    """The options of a command are valid."""


@pytest.fixture
def no_command_runs(monkeypatch, tmp_path):
    """Commands end when they have parsed their options."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise _Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pytest_options():
    """The options in pytest's help, those of tests/conftest.py among them."""
    return set(re.findall(r"--?[\w-]+", in_process(sys.executable, "-m", "pytest", "--help")))


@pytest.mark.parametrize("line", COMMANDS)
def test_command_exists_and_takes_these_options(line, no_command_runs, monkeypatch, pytest_options):
    require_command(COMMANDS[line], monkeypatch, pytest_options)


def require_command(words, monkeypatch, pytest_options):
    match words:
        case ["python", "-m", "pytest", *arguments] | ["pytest", *arguments]:
            options = [word for word in arguments if word.startswith("-")]
            assert set(options) <= pytest_options
            require_paths(word for word in arguments if "/" in word or word == "tests")
        case ["python", "-m", "tests.stress.planted_bugs", *arguments]:
            faults = importlib.import_module("tests.stress.planted_bugs.__main__").FAULTS
            words = " ".join(word for word in arguments if word != "--help")
            assert any(words in fault.breaks for fault in faults)
        case ["python", "-m", module, *arguments]:
            if importlib.util.find_spec(module).submodule_search_locations:
                module += ".__main__"
            require_options(importlib.import_module(module).main, arguments, monkeypatch)
            require_paths(word for word in arguments if word.split("/")[0] in FOLDERS)
        case ["python", script, *arguments]:
            require_paths([script])
            main = pkgutil.resolve_name(script.removesuffix(".py").replace("/", ".")).main
            require_options(main, arguments, monkeypatch)
        case ["pip", "install", "huggingface_hub"] | ["hf", "auth", "login"]:
            pass
        case ["hf", "download", *arguments]:
            # Each of its options takes one value, and two patterns are two options.
            options = iter(arguments[1:])
            named = {"--repo-type", "--include", "--local-dir"}
            assert all(name in named and next(options) for name in options)
        case ["pip", "install", *arguments]:
            assert arguments[0] == "-e"
            extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", arguments[1]).group(1)
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert set(extras.split(",") if extras else ()) <= set(project["optional-dependencies"])
        case ["mpiexec" | "srun", *arguments]:
            program = arguments[arguments.index("python") :]
            require_command(program, monkeypatch, pytest_options)
        case ["sbatch", script, *arguments]:
            require_paths([script])
            require_command(
                ["python", "-m", "alexnet.train", *arguments], monkeypatch, pytest_options
            )
        case ["scancel", "--signal=USR1", _]:
            pass
        case ["compute-sanitizer", *arguments]:
            require_command(arguments, monkeypatch, pytest_options)
        case ["ruff", "check", "."] | ["ruff", "format", "--check", "."]:
            pass
        case _:
            pytest.fail(f"unknown command: {shlex.join(words)}")


def require_options(main, arguments, monkeypatch):
    """The command's own parser takes these arguments."""
    monkeypatch.setattr(sys, "argv", ["", *arguments])
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = main()
    except _Parsed:
        return
    except SystemExit as end:
        code = end.code
    assert code == 0 and "--help" in arguments, errors.getvalue()


def require_paths(paths):
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "page", dict.fromkeys(page for page, block in blocks_of("sh") if block.output), ids=name_of
)
def test_commands_print_what_the_page_shows(page):
    for block in blocks(page):
        if block.language == "sh" and block.output:
            printed = ""
            for words in commands(block.text):
                assert words[0] == "python"
                printed += in_process(sys.executable, *words[1:])
            assert printed == block.output


# -- links, paths, names ------------------------------------------------------------------


def anchors(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(prose(page))
    }
    pictures = [path for path in (ROOT / "benchmarks/results").iterdir() if path.suffix != ".json"]
    figures = (COURSE / "figures").iterdir()
    assert not {*PAGES, *pictures, *figures} - linked - {ROOT / "README.md"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_names_in_backticks_exist(page):
    made = {block.file for block in blocks(page) if block.file}
    code = re.findall(r"`([^`\n]+)`", prose(page))
    for text in code:
        if re.fullmatch(r"[\w.*/-]+", text) and text.split("/")[0] in FOLDERS and "/" in text:
            made_here = any(file.startswith(text) for file in made)
            assert made_here or any(ROOT.glob(text.rstrip("/"))), text
        elif re.fullmatch(r"[\w./]+\.(py|cu|cuh|cpp|h)", text):
            assert any(ROOT.rglob(text)), text
        elif re.fullmatch(r"(minigrad|alexnet|benchmarks|tests)(\.\w+)+", text):
            assert pkgutil.resolve_name(text) is not None


def test_the_architecture_names_every_module_of_the_engine_and_every_folder():
    page = prose(ROOT / "docs/architecture.md")
    engine = [path for path in (ROOT / "minigrad").glob("*.py") if path.stem != "__init__"]
    assert not [path.name for path in engine if f"`{path.name}`" not in page]
    for package, prefix in (("minigrad", ""), ("alexnet", "alexnet/")):
        folders = [path.parent.name for path in (ROOT / package).glob("*/__init__.py")]
        assert not [name for name in folders if f"`{prefix}{name}/`" not in page]


def test_tables_of_exit_codes_and_sources_are_complete():
    codes = re.findall(r"^\| (\d+) \|", (ROOT / "docs/training.md").read_text(), re.MULTILINE)
    assert sorted(codes) == sorted(re.findall(r"\b(\d+)  ", cli.EXIT_CODES))
    sources = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs/data.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(sources))) == set(NAMES) - {"auto"}


def test_options_in_backticks_exist():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("alexnet", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
    )
    # Some options are named after settings and written nowhere.
    stored = (ROOT / "tests" / "command_lines.json").read_text(encoding="utf-8")
    known = set(re.findall(r"--[\w-]+", stored)) | {"--version"}
    for page in PAGES:
        for option in re.findall(r"`(--[\w-]+)[^`]*`", prose(page)):
            assert f'"{option}"' in sources or option in known, f"{name_of(page)}: {option}"


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {minigrad.__version__}\n" in citation
    assert minigrad.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# -- docs/add-an-operation.md -------------------------------------------------------------


def apply(block, root):
    """Write a block's file below `root`, or change it as a diff says."""
    path = root / block.file
    if block.language != "diff":
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    lines = block.text.splitlines(keepends=True)
    before = "".join(line[1:] or "\n" for line in lines if not line.startswith("+"))
    after = "".join(line[1:] or "\n" for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{block.file} has {text.count(before)} times {before!r}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_the_operation_of_the_page_works(tmp_path):
    copy = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__", ".git", "runs", "data", "results", "*.egg-info")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    # Its data readers are needed, which the pattern for downloaded data takes along.
    shutil.copytree(ROOT / "alexnet/data", copy / "alexnet/data", dirs_exist_ok=True)
    files = [block for block in blocks(OPERATION) if block.file]
    for block in files:
        apply(block, copy)
    new = {block.file for block in files if block.language != "diff"}
    changed = {block.file for block in files} - new
    lines = sum(
        block.text.count("\n+") if block.language == "diff" else block.text.count("\n")
        for block in files
    )
    # A diff that begins with a new line has one more.
    lines += sum(block.text.startswith("+") for block in files)
    text = prose(OPERATION)
    assert (len(new), len(changed)) == (5, 13) and f"{lines} lines" in text
    in_process(sys.executable, "-m", "ruff", "check", ".", cwd=copy)
    tests = ["tests/minigrad", "tests/kernels", "tests/test_against_pytorch.py"]
    options = ["-k", "gelu or GELU", "-p", "no:cacheprovider"]
    printed = in_process(sys.executable, "-m", "pytest", *tests, *options, cwd=copy)
    assert int(re.search(r"(\d+) passed", printed).group(1)) > 20
