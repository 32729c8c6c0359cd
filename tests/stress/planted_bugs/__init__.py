"""Does the test suite notice a mistake? Plants one at a time and runs the tests that should fail.

    python -m tests.stress.planted_bugs             # all, about half an hour
    python -m tests.stress.planted_bugs pool        # those whose description contains a word

Each fault is one changed line in a temporary copy of the project. Exit status 1 if one is missed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`original`, which occurs once in `file`, becomes `faulty`; `tests` are pytest's arguments.

    `sanitizer`: the tests run under it ("address" or "thread", see `tests.cuda_emulator.sanitize`).
    """

    breaks: str
    file: str
    original: str
    faulty: str
    tests: str
    sanitizer: str = ""
