"""What imports what, and how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("kernels", "minigrad", "alexnet", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_FILE = 400
# One list of all public operations is easier to find one's way in than two.
LONGER_FILES = {"minigrad/functional.py": 600}

# Each room may import itself and those above it in its list.
ROOMS_OF_ALEXNET = [
    ("interrupts",),
    ("errors", "files", "model", "pickles"),
    ("cli", "columns", "precision"),
    ("text",),
    ("style", "table_files"),
    ("data",),
    ("run",),
    ("formats",),
    ("inference",),
    ("visualize",),
    ("training",),
    ("doctor",),
    ("report",),
    ("explain",),
    ("serve",),
    ("export",),
    ("experiments",),
    ("train", "evaluate", "features", "predict", "summary", "convert", "network", "runs"),
    ("compare",),
    ("__init__", "__main__"),
]
LADDER_OF_MINIGRAD = [
    ("blocks", "observers", "startup"),
    ("kernels",),
    ("cuda", "random"),
    ("backend", "prepared"),
    ("autocast",),
    ("distributed",),
    ("autograd",),
    ("tensor",),
    ("ops",),
    ("checks",),
    ("loss_checks", "operand_checks"),
    ("functional",),
    ("operators",),
    ("gradcheck", "io", "nn"),
    ("drawing", "optim", "summary", "trace"),
    ("__init__",),
]


def name_of(path):
    return str(path.relative_to(ROOT))


def module_of(path):
    """The name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "kernels":
        parts = ("minigrad", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def imports(path):
    """The modules that a file imports, wherever in it; of the project the very file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def packages(path):
    """The top-level packages that a file imports; the kernels are one of them."""
    for name in imports(path):
        kernels = name == "minigrad.kernels" or name.startswith("minigrad.kernels.")
        yield "kernels" if kernels else name.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path):
    package = PACKAGES.index(path.relative_to(ROOT).parts[0])
    above = set(PACKAGES[package + 1 :]) | {"tests"}
    assert not above & set(packages(path))


def room(module, package):
    """The part of a module's name below its package: a file or a folder."""
    return module.removeprefix(package).lstrip(".").split(".")[0] or "__init__"


@pytest.mark.parametrize(
    "package, rooms",
    [("alexnet", ROOMS_OF_ALEXNET), ("minigrad", LADDER_OF_MINIGRAD)],
    ids=["alexnet", "minigrad"],
)
def test_rooms_import_only_those_below_them(package, rooms):
    floor = {name: number for number, names in enumerate(rooms) for name in names}
    modules = [name for name in MODULES if name.split(".")[0] == package]
    assert {room(name, package) for name in modules} == set(floor)
    upwards = [
        (name, imported)
        for name in modules
        for imported in imports(MODULES[name])
        if imported.split(".")[0] == package and room(imported, package) != room(name, package)
        # What a package's own __init__ hands on is for those outside it.
        if imported == package or floor[room(imported, package)] >= floor[room(name, package)]
    ]
    assert not upwards


def test_no_circle():
    """Not even by imports within functions; a package's __init__ and its modules are one."""
    graph = {name: set() for name in MODULES}
    for name, path in MODULES.items():
        for imported in imports(path):
            is_own_package = name == imported or name.startswith(f"{imported}.")
            if imported in MODULES and not is_own_package:
                graph[name].add(imported)
    finished, under_way = set(), []

    def visit(name):
        if name in under_way:
            pytest.fail(" -> ".join([*under_way[under_way.index(name) :], name]))
        if name not in finished:
            under_way.append(name)
            for imported in sorted(graph[name]):
                visit(imported)
            finished.add(under_way.pop())

    for name in graph:
        visit(name)


@pytest.mark.parametrize(
    "package, place", [("cupy", "minigrad/cuda.py"), ("mpi4py", "minigrad/distributed/mpi.py")]
)
def test_library_is_imported_in_one_place(package, place):
    assert [name_of(path) for path in SOURCES if package in packages(path)] == [place]


def test_kernels_do_not_know_tensors_or_libraries_that_compute():
    allowed = {"kernels", "numpy", "ml_dtypes", "numba", "llvmlite"} | sys.stdlib_module_names
    for path in (ROOT / "kernels").rglob("*.py"):
        assert set(packages(path)) <= allowed, name_of(path)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_not_too_long(path):
    longest = LONGER_FILES.get(name_of(path), LONGEST_FILE)
    assert len(path.read_text().splitlines()) <= longest


# What only some commands need, and what takes long to import or is an extra.
HEAVY = {
    *("cupy", "torch", "matplotlib", "pyarrow", "tensorboardX", "mpi4py", "PIL.JpegImagePlugin"),
    *("onnx", "onnxruntime", "scipy.stats"),
}


@pytest.mark.parametrize(
    "modules, heavy",
    [
        (["minigrad"], HEAVY | {"PIL", "tqdm", "minigrad.kernels.shared.matmul"}),
        ([name for name in MODULES if name.startswith(("alexnet", "benchmarks"))], HEAVY),
    ],
    ids=["engine", "commands"],
)
def test_imports_are_light(modules, heavy):
    """They need neither a GPU nor a library that is first used when something is drawn or read."""
    script = f"import sys, {', '.join(modules)}\nprint(*{heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
