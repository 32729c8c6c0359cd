"""NVIDIA's run-time compiler, which needs no GPU: what a CUDA C source becomes on a device."""

import contextlib
import ctypes
import re
import site
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Bytes of shared memory that a block can have: CUDA C++ Programming Guide, "Compute Capabilities".
SHARED_MEMORY = {75: 64, 80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}
ARCHITECTURES = {arch: kibibytes * 1024 for arch, kibibytes in SHARED_MEMORY.items()}
REGISTERS = 65536  # of a multiprocessor, on all of them


@dataclass
class Kernel:
    """What the assembler says of a kernel."""

    registers: int
    spilled: int  # bytes
    shared_memory: int  # bytes, static


def _library() -> ctypes.CDLL:
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    found = [path for folder in folders for path in Path(folder).glob("nvidia/**/libnvrtc.so.*")]
    if not found:
        raise RuntimeError("NVRTC is missing: pip install -e '.[test]' (nvidia-cuda-nvrtc)")
    # Some versions do not find this part of themselves beside them; it is found where it is loaded.
    for builtins in found[0].parent.glob("libnvrtc-builtins.so.*"):
        ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(found[0]))


def compile_source(
    source: str, expressions: list[str], architecture: int, options: tuple[str, ...]
) -> dict[str, Kernel]:
    """The kernels of a source, by mangled name.

    Raises:
        RuntimeError: an error or a warning, with the compiler's text.
    """
    with _compiled(source, expressions, architecture, (*options, "--ptxas-options=-v")) as (_, log):
        return _kernels(log)


def instructions_of_loop(
    source: str, expression: str, architecture: int, options: tuple[str, ...]
) -> Counter:
    """How often each instruction occurs in the largest loop of a kernel that multiplies matrices.

    As the disassembler of NVIDIA names them, without what follows a dot.
    """
    with _compiled(source, [expression], architecture, options) as (program, _):
        nvrtc, size = _library(), ctypes.c_size_t()
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        code = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, code)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code.raw)
        file.flush()
        command = [_tool("nvdisasm"), "-c", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    begins: dict[str, int] = {}
    found: list[str] = []
    loops = []
    for line in text.splitlines():
        if label := re.match(r"(\.L\w+):", line):
            begins[label[1]] = len(found)
        elif instruction := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(.*)", line):
            found.append(instruction[1])
            jump = re.match(r"BRA.*(\.L\w+)", instruction[1])
            if jump and jump[1] in begins:
                loops.append(found[begins[jump[1]] :])
    names = [[re.split(r"[\s.;]", line)[0] for line in loop] for loop in loops]
    return Counter(max((loop for loop in names if "HMMA" in loop), key=len))


def _tool(name: str) -> str:
    """A program of the CUDA toolkit, from its wheel."""
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    found = [path for folder in folders for path in Path(folder).glob(f"nvidia/**/bin/{name}")]
    if not found:
        raise RuntimeError(f"{name} is missing: pip install -e '.[test]' (nvidia-cuda-{name})")
    return str(found[0])


@contextlib.contextmanager
def _compiled(
    source: str, expressions: list[str], architecture: int, options: tuple[str, ...]
) -> Iterator[tuple[ctypes.c_void_p, str]]:
    """A compiled program, and what the compiler says.

    Raises:
        RuntimeError: an error or a warning, with the compiler's text.
    """
    nvrtc = _library()
    program = ctypes.c_void_p()
    status = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"source.cu", 0, None, None
    )
    assert status == 0
    for expression in expressions:
        assert nvrtc.nvrtcAddNameExpression(program, expression.encode()) == 0
    arguments = [
        *options,
        f"--gpu-architecture=sm_{architecture}",
        "-ftz=true",  # CuPy adds these two
        "--device-as-default-execution-space",
    ]
    encoded = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    status = nvrtc.nvrtcCompileProgram(program, len(arguments), encoded)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    try:
        text = log.value.decode()
        if status or "warning" in text.lower():
            raise RuntimeError(text)
        yield program, text
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _kernels(log: str) -> dict[str, Kernel]:
    """The assembler's report: an entry function, its stack, then its registers."""
    kernels = {}
    for entry in log.split("Compiling entry function ")[1:]:
        numbers = {
            key: int(found[1]) if (found := re.search(pattern, entry)) else 0
            for key, pattern in {
                "registers": r"Used (\d+) registers",
                "spilled": r"(\d+) bytes spill stores",
                "shared_memory": r"(\d+) bytes smem",
            }.items()
        }
        kernels[re.match(r"'([^']+)'", entry)[1]] = Kernel(**numbers)
    return kernels
