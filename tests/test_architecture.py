"""What imports what, and how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each package may import itself and those before it.
LAYERS = ("kernels", "minigrad", "alexnet", "benchmarks")
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
LONGEST_FILE = 400


def name_of(path):
    return str(path.relative_to(ROOT))


def imported_packages(path):
    """The top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path):
    layer = LAYERS.index(path.relative_to(ROOT).parts[0])
    above = set(LAYERS[layer + 1 :]) | {"tests"}
    assert not above & set(imported_packages(path))


def test_cupy_is_imported_in_one_place():
    users = [name_of(path) for path in SOURCES if "cupy" in imported_packages(path)]
    assert users == ["minigrad/backend.py"]


def test_kernels_do_not_know_tensors_or_libraries_that_compute():
    allowed = {"kernels", "numpy", "numba", "llvmlite"} | sys.stdlib_module_names
    for path in (ROOT / "kernels").rglob("*.py"):
        assert set(imported_packages(path)) <= allowed, name_of(path)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_not_too_long(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_import_is_light():
    """`import minigrad` needs neither a GPU nor the libraries of some commands."""
    script = (
        "import sys, minigrad\n"
        "print(*{'cupy', 'torch', 'matplotlib', 'PIL', 'tqdm'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
