"""Kills ``python -m benchmarks.gpu_check`` at random moments and looks at what it leaves.

    python -m tests.stress.kill_gpu_check 20 --seed 1

Whenever it is killed, by SIGKILL or by SIGTERM, its files must be complete for what was done, and
the process of the part that was running must end, too.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu_check import __main__ as check
from benchmarks.gpu_check import record
from benchmarks.gpu_check.part import Options

FAKES = "tests.benchmarks.gpu_check.fake_parts"
PARTS = ("right", "slow", "raises", "slow_too")
SECONDS = 1.0  # that a check of these parts takes about


def summary(results: dict) -> list[str]:
    return [f"{name}: {value}" for name, value in results.items()]


def start(folder: Path) -> int:
    """The process of a check of fake parts."""
    process = os.fork()
    if process:
        return process
    check.PARTS = {
        name: check.Part(1, f"{FAKES}:{name.removesuffix('_too')}", summary) for name in PARTS
    }
    check._about_device = about_device
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    os._exit(check.main(["--out", str(folder)]))


def about_device(options: Options, log: object) -> dict:
    return {"device": "a fake"}


def problems(folder: Path, how: int, status: int) -> list[str]:
    """What is wrong with the files that a killed check has left."""
    if not (folder / record.JSON).exists():
        return []  # it was killed before it began
    report = json.loads((folder / record.JSON).read_text())
    text = (folder / record.SUMMARY).read_text() if (folder / record.SUMMARY).exists() else None
    found = []
    if len(list(folder.iterdir())) > 8:
        found.append("more than eight files")
    if list(report["parts"]) != list(PARTS):
        found.append(f"parts {list(report['parts'])}")
    statuses = [part["status"] for part in report["parts"].values()]
    done = [status in ("passed", "failed") for status in statuses]
    if done != sorted(done, reverse=True):
        found.append(f"order {statuses}")
    for name, part in report["parts"].items():
        expected = {"right": 1, "slow": 10, "raises": 1}[name.removesuffix("_too")]
        if part["status"] in ("passed", "failed") and len(part["results"]) != expected:
            found.append(f"{name} has {len(part['results'])} results")
        if text is not None and f"| {name} | " not in text:
            found.append(f"{name} is not in the summary")
    if how == signal.SIGTERM and not all(done):
        if os.waitstatus_to_exitcode(status) != 143:
            found.append(f"exit code {os.waitstatus_to_exitcode(status)}")
        if "running" in statuses:
            found.append(f"a part still running: {statuses}")
    return found


def orphans() -> list[int]:
    """Processes of parts whose check is gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if FAKES.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.kill_gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kills", type=int, metavar="KILLS")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng, complete = random.Random(arguments.seed), 0
    for number in range(arguments.kills):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "out"
            process = start(folder)
            time.sleep(rng.uniform(0, SECONDS))
            how = rng.choice([signal.SIGKILL, signal.SIGTERM])
            os.kill(process, how)
            _, status = os.waitpid(process, 0)
            complete += os.waitstatus_to_exitcode(status) in (0, 1)
            found = problems(folder, how, status)
            deadline = time.monotonic() + 5
            while orphans() and time.monotonic() < deadline:
                time.sleep(0.02)
            found += [f"process {orphan} goes on" for orphan in orphans()]
            if found:
                print(f"kill {number} by {how.name}: {'; '.join(found)}")
                return 1
    print(f"{arguments.kills} kills, {complete} after the end: complete files each time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
