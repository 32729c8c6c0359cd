"""What a check of the doctor says."""

from typing import NamedTuple

OK, WARNING, PROBLEM = "OK", "WARNING", "PROBLEM"


class Finding(NamedTuple):
    """What a check saw, and what helps; `helps` is empty where all is well."""

    verdict: str
    check: str
    seen: str
    helps: str = ""
