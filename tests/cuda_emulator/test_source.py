"""Sources: what is translated, what is refused, and how compiled ones are kept."""

import subprocess
import sys

import pytest

from . import EmulatorError, build, settings
from .loading import FOLDER, PTX_HEADER, source
from .source import translate


def test_no_line_moves():
    code = source("examples.cu")
    translated = translate(code)
    before = code[code.rindex("#line") :].splitlines()
    after = translated[translated.rindex("#line") :].splitlines()
    assert len(before) == len(after)
    assert "asm" in code and "asm" not in translated


@pytest.mark.parametrize(
    "declaration",
    [
        "__shared__ float x[4];",
        "__shared__ T x[4][5], y[2];",
        "__shared__ unsigned int x[4];",
        "__shared__ unsigned x[4];",
        "__shared__ long long x[4];",
        "static __shared__ float x[A<2, 3>() * 4];",
        "__shared__ __align__(16) unsigned char x[4\n * 3];",
        "__shared__ alignas(16) float x[4];",
        "__shared__ Tile<T, 4> x[2];",
        "__shared__ typename Tile<T, 4>::type x;",
        "__shared__ float x; /* one */ // number",
        "extern __shared__ float x[];",
        "extern __shared__ __align__(16) unsigned char x[];",
        "extern __shared__ float4 x[];",
    ],
)
def test_declarations_of_shared_memory(declaration):
    translated = translate(declaration)
    assert "__shared__" not in translated
    assert translated.count("\n") == declaration.count("\n") + 1


def test_what_is_not_understood_is_refused_with_its_line():
    with pytest.raises(EmulatorError, match=r"kernels/a\.cu:12: cannot understand"):
        translate('#line 11 "kernels/a.cu"\n\n  __shared__ float x[2] = {1, 2};\n')


def test_inline_ptx_is_refused_with_its_line():
    code = f'#line 1 "kernels/shared/ptx.cuh"\n{PTX_HEADER.read_text()}\n#line 5 "kernels/a.cu"\n'
    translate(code + "// asm in a comment\n")
    with pytest.raises(EmulatorError, match=r"kernels/a\.cu:6: inline PTX outside"):
        translate(code + '\n  asm volatile("bar.sync 0;");\n')


def test_error_of_the_compiler_names_the_line():
    with pytest.raises(EmulatorError, match=r"kernels/a\.cu:3:.*error"):
        build.load('#line 3 "kernels/a.cu"\n__global__ void k(int i) { nonsense }', (), ["k"])


def test_missing_compiler_is_named(cupy, monkeypatch):
    monkeypatch.setattr(settings, "compiler", "no-such-compiler")
    build.compiler.cache_clear()
    with pytest.raises(EmulatorError, match="no-such-compiler is not there"):
        cupy.RawModule(code="__global__ void never_compiled() {}", name_expressions=["k"])
    build.compiler.cache_clear()


def test_processes_may_compile_at_the_same_time(tmp_path):
    script = (
        "from pathlib import Path\n"
        "from tests.cuda_emulator import build, settings\n"
        f"settings.cache_folder = Path({str(tmp_path)!r})\n"
        "build.load('__global__ void k(int* x) { *x = 1; }', (), ['k'])\n"
    )
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, cwd=FOLDER.parents[1]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("*.so"))) == 2
    assert not list(tmp_path.glob("*.tmp"))
