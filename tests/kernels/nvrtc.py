"""NVIDIA's run-time compiler, which needs no GPU: what a CUDA C source becomes on a device."""

import ctypes
import re
import site
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
        "--ptxas-options=-v",
    ]
    encoded = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    status = nvrtc.nvrtcCompileProgram(program, len(arguments), encoded)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if status or "warning" in text.lower():
        raise RuntimeError(text)
    return _kernels(text)


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
