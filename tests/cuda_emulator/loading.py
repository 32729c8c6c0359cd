"""For the tests of this folder: CUDA sources as the product's loader hands them over."""

from pathlib import Path

FOLDER = Path(__file__).parent
PTX_HEADER = FOLDER.parents[1] / "kernels" / "shared" / "ptx.cuh"
INCLUDE = '#include "ptx.cuh"\n'


def source(name: str) -> str:
    """The text of a .cu file beside this one, its include replaced by the product's header."""
    text = (FOLDER / name).read_text()
    line = text[: text.index(INCLUDE)].count("\n") + 2
    header = f'#line 1 "kernels/shared/ptx.cuh"\n{PTX_HEADER.read_text()}\n#line {line} "{name}"\n'
    return f'#line 1 "{name}"\n' + text.replace(INCLUDE, header)


def kernels(cupy, name: str, *expressions: str):
    """Compiles the template instances of a .cu file; returns them by name without arguments."""
    module = cupy.RawModule(
        code=source(name), options=("-std=c++17",), name_expressions=list(expressions)
    )
    return {name.split("<")[0]: module.get_function(name) for name in expressions}
