"""A plugin of pytest, for `-p`: writes down at once how each test has ended.

What pytest itself prints comes at its end, which a time limit may not let it reach.
"""

import json
import os

FILE = "GPU_CHECK_TESTS"  # the variable with the name of the file, one line of JSON a test
TEXT = 1500  # characters of the end of what a failed test says


def pytest_runtest_logreport(report):
    """Of every phase of every test; where there are workers, in the one process that leads them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    if report.when == "call" or report.outcome != "passed":
        line = {"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration}
        if report.outcome == "failed":
            line["text"] = report.longreprtext[-TEXT:]
        elif report.outcome == "skipped":
            line["text"] = str(report.longrepr)[-TEXT:]
        with open(os.environ[FILE], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
