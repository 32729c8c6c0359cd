"""Compiles the runtime and translated sources, once: the results are kept, named by a hash of
everything that went into them. Processes may build the same thing at the same time."""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from . import settings
from .settings import EmulatorError
from .source import translate

FOLDER = Path(__file__).parent
DEVICE_HEADERS = sorted((FOLDER / "device").glob("*.h"))
RUNTIME_SOURCES = sorted((FOLDER / "runtime").glob("*.cpp"))
RUNTIME_HEADERS = sorted((FOLDER / "runtime").glob("*.h"))

SANITIZER_FLAGS = {
    "": [],
    "address": ["-g", "-fsanitize=address", "-fsanitize-recover=address"],
    "thread": ["-g", "-fsanitize=thread", "-Wno-tsan"],
}
RUNTIME_DEFINES = {
    "": [],
    "address": ["-DEMULATOR_ADDRESS_SANITIZER"],
    "thread": ["-DEMULATOR_THREAD_SANITIZER"],
}
KERNEL_FLAGS = [
    "-O2",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # two sources may have shared arrays of the same name
    "-fno-strict-aliasing",  # float4 loads from arrays of float, as nvcc allows
    "-ffp-contract=off",
    # Checked while a kernel runs, see runtime/checks.cpp.
    "-fsanitize=alignment,bounds,integer-divide-by-zero,signed-integer-overflow",
    "-Wno-unknown-pragmas",  # #pragma unroll
    "-Wno-attributes",
]
RUNTIME_FLAGS = ["-std=c++17", "-O3", "-fno-tree-loop-distribute-patterns"]


@functools.cache
def runtime() -> Path:
    """The library with the scheduler, loaded so that kernels find it."""
    path = _compile(
        "runtime",
        inputs=[*RUNTIME_SOURCES, *RUNTIME_HEADERS, *DEVICE_HEADERS],
        flags=[*RUNTIME_FLAGS, *RUNTIME_DEFINES[settings.sanitizer]],
        sources=RUNTIME_SOURCES,
    )
    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return path


def load(code: str, options: tuple[str, ...], names: list[str]) -> ctypes.CDLL:
    """Compiles a CUDA source; kernel names[i] becomes launch_<i> and signature_<i>."""
    library = runtime()
    exports = "".join(f"EMULATOR_EXPORT({i}, {name})\n" for i, name in enumerate(names))
    text = f'#include "cuda.h"\n{translate(code)}\n#line 1 "name_expressions"\n'
    text += f'#include "export.h"\n{exports}'
    flags = [option for option in options if option.startswith(("-D", "-std="))]
    path = _compile(
        "kernels",
        inputs=DEVICE_HEADERS,
        flags=[
            *KERNEL_FLAGS,
            *flags,
            *SANITIZER_FLAGS[settings.sanitizer],
            f"-I{FOLDER / 'device'}",
        ],
        text=text,
        links=[str(library)],
    )
    return ctypes.CDLL(str(path))


@functools.cache
def compiler() -> str:
    """The compiler's path; its version is part of every hash."""
    path = shutil.which(settings.compiler)
    if path is None:
        raise EmulatorError(
            f"the CUDA emulator needs a C++ compiler, and {settings.compiler} is not there "
            "(install g++, or name another one in CXX)"
        )
    return path


@functools.cache
def _compiler_version():
    command = [compiler(), "-dumpfullversion"]
    return subprocess.run(command, capture_output=True, text=True, env=_environment()).stdout


def _environment():
    """Without the sanitizer that this process was started with: it is not for the compiler."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


@functools.cache
def _content(path):
    return path.read_bytes()


def _compile(title, inputs, flags, sources=(), text=None, links=()):
    digest = hashlib.sha256()
    for part in (title, compiler(), _compiler_version(), *flags, *links, text or ""):
        digest.update(part.encode() + b"\0")
    for path in inputs:
        digest.update(_content(path))
    settings.cache_folder.mkdir(parents=True, exist_ok=True)
    library = settings.cache_folder / f"{title}_{digest.hexdigest()[:24]}.so"
    if library.exists():
        return library
    sources = list(sources)
    if text is not None:
        source = library.with_suffix(".cpp")
        _write_at_once(source, text)
        sources.append(source)
    unfinished = library.with_suffix(f".{os.getpid()}.tmp")
    command = [compiler(), "-shared", "-fPIC", *flags, *map(str, sources), "-o", str(unfinished)]
    result = subprocess.run([*command, *links], capture_output=True, text=True, env=_environment())
    if result.returncode:
        raise EmulatorError(f"{' '.join(command)}\n{result.stderr[:6000]}")
    os.replace(unfinished, library)
    return library


def _write_at_once(path, text):
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text(text)
    os.replace(unfinished, path)
