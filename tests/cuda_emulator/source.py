"""What is changed in a CUDA source before g++ compiles it.

Two things only, and no line moves: declarations of shared memory become references to memory that
the runtime provides, and the header with inline PTX is replaced by its twin.
"""

import re
from pathlib import Path

from .settings import EmulatorError

PTX_HEADER = "kernels/shared/ptx.cuh"
PTX_TWIN = Path(__file__).with_name("ptx.cuh")
UNNAMED = "kernel.cu"  # where a source has no #line of its own

LINE_MARK = re.compile(r'^[ \t]*#[ \t]*line[ \t]+(\d+)[ \t]+"([^"\n]*)"[ \t]*$', re.MULTILINE)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
ASSEMBLY = re.compile(r"\b(?:asm|__asm__|__asm)\b")

ALIGNMENT = r"(?:(?:__align__|alignas)\s*\(\s*(?P<alignment>[^()]+)\)\s*)?"
# A type: words such as "unsigned int" or "Tile", the last with template arguments or members.
TYPE = (
    r"(?P<type>(?:(?:const|volatile|unsigned|signed|long)\s+)*(?:typename\s+)?"
    r"[\w:]+(?:<[^;{}()]*>)?(?:::\w+)*)"
)
DYNAMIC = re.compile(
    rf"\bextern\s+__shared__\s+{ALIGNMENT}{TYPE}\s+{ALIGNMENT.replace('alignment', 'alignment2')}"
    r"(?P<name>\w+)\s*\[\s*\]\s*;"
)
STATIC = re.compile(
    rf"(?:\bstatic\s+)?\b__shared__\s+{ALIGNMENT}{TYPE}\s+(?P<names>[^;{{}}=]+);",
)
DECLARED_NAME = re.compile(r"\s*(?P<name>\w+)\s*(?P<dimensions>(?:\[[^\]]+\]\s*)*)$")


def translate(code: str) -> str:
    """Returns the C++ of a CUDA source, with the same lines."""
    code = f'#line 1 "{UNNAMED}"\n' + code
    code = _without_comments(_with_twin_of_ptx_header(code))
    assembly = ASSEMBLY.search(code)
    if assembly:
        raise EmulatorError(f"{_place(code, assembly.start())}: inline PTX outside {PTX_HEADER}")
    code = STATIC.sub(_declare_static, DYNAMIC.sub(_declare_dynamic, code))
    left = re.search(r"\b__shared__\b", code)
    if left:
        place = _place(code, left.start())
        line = code[code.rfind("\n", 0, left.start()) + 1 :].splitlines()[0].strip()
        raise EmulatorError(f"{place}: cannot understand this declaration: {line}")
    return code


def _with_twin_of_ptx_header(code):
    """Each piece of a source reaches from one #line mark that names a file to the next."""
    marks = list(LINE_MARK.finditer(code))
    ends = [mark.start() for mark in marks[1:]] + [len(code)]
    pieces = []
    for mark, end in zip(marks, ends):
        if mark[2] == PTX_HEADER:
            pieces.append(
                f'#line 1 "tests/cuda_emulator/{PTX_TWIN.name}"\n{PTX_TWIN.read_text()}\n'
            )
        else:
            pieces.append(code[mark.start() : end])
    return "".join(pieces)


def _without_comments(code):
    def blank(match):
        if match[0].startswith('"'):
            return match[0]
        return " " + "\n" * match[0].count("\n")

    return COMMENT_OR_STRING.sub(blank, code)


def _place(code, position):
    mark = [mark for mark in LINE_MARK.finditer(code) if mark.end() <= position][-1]
    return f"{mark[2]}:{int(mark[1]) + code.count(chr(10), mark.end(), position) - 1}"


def _keep_lines(original, replacement):
    return replacement + "\n" * original.count("\n")


def _declare_dynamic(match):
    declaration = "{type}* const {name} = static_cast<{type}*>(emulator::dynamic_shared());".format(
        **match.groupdict()
    )
    return _keep_lines(match[0], declaration)


def _declare_static(match):
    declarations = []
    for declared in _split_at_commas(match["names"]):
        name = DECLARED_NAME.match(declared)
        if not name:
            return match[0]  # reported by translate()
        array, dimensions = name["name"], " ".join(name["dimensions"].split())
        alignment = match["alignment"] or f"alignof({array}_type)"
        declarations.append(
            f"using {array}_type = {match['type']} {dimensions}; "
            f"static emulator::SharedArray {array}_array = "
            f"{{sizeof({array}_type), {alignment}, nullptr, 0}}; "
            f"{array}_type& {array} = "
            f"*static_cast<{array}_type*>(emulator::shared({array}_array));"
        )
    return _keep_lines(match[0], " ".join(declarations))


def _split_at_commas(text):
    """Splits at commas outside brackets: `a[size<2, 3>()], b[4]` declares two names."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
