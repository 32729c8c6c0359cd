"""``python -m benchmarks.gpu_check``: whatever a part does, the others are done and all is told."""

import json
import sys
import time

import pytest

from benchmarks.gpu_check import __main__ as check
from benchmarks.gpu_check import record, runner
from minigrad import backend

FAKES = "tests.benchmarks.gpu_check.fake_parts"


def answer(results):
    return [f"The answer is {results['answer']}."]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs a check of fake parts; returns exit code, report and summary."""
    about = {"device": "a fake", "driver": 0}
    monkeypatch.setattr(check, "_about_device", lambda options, log: about)
    monkeypatch.setattr(runner, "GRACE", 0.3)
    monkeypatch.setattr(check, "LEAST_SECONDS", 0.2)
    folder = tmp_path / "out"

    def run(*names, seconds=60, shares=None):
        parts = {
            name: check.Part(share, f"{FAKES}:{name}", answer)
            for name, share in zip(names, shares or [1] * len(names))
        }
        monkeypatch.setattr(check, "PARTS", parts)
        code = check.main(["--out", str(folder), "--minutes", str(seconds / 60)])
        report = json.loads((folder / record.JSON).read_text())
        return code, report["parts"], (folder / record.SUMMARY).read_text()

    run.folder = folder
    return run


def test_all_is_right(run, capsys):
    code, parts, summary = run("right")
    assert code == 0
    assert parts["right"]["status"] == "passed" and parts["right"]["results"] == {"answer": 42}
    assert "- device: a fake" in summary and "The answer is 42." in summary
    assert "| right | passed |" in summary
    assert capsys.readouterr().out.splitlines()[-1] == str(run.folder / record.SUMMARY)


ENDINGS = {
    "finds": ("failed", "the answer is not 42; 1 more"),
    "raises": ("failed", "RuntimeError: what a pity, said in two lines"),
    "runs_out_of_memory": ("failed", "MemoryError: Out of memory allocating 7,340,032 bytes"),
    "breaks_the_device": (
        "failed",
        "RuntimeError: cudaErrorIllegalAddress: an illegal memory access was encountered; "
        "killed by SIGABRT",
    ),
    "is_killed": ("failed", "killed by SIGKILL (the system does that when memory runs out)"),
    "is_cut_in_a_line": ("failed", "killed by SIGKILL"),
    "crashes": ("failed", "killed by SIGSEGV"),
    "no_such_part": ("failed", "AttributeError: module"),
}


def test_every_ending_is_named_and_the_next_part_runs(run):
    code, parts, summary = run(*ENDINGS, "right")
    assert code == 1
    assert list(parts) == [*ENDINGS, "right"]
    for name, (status, reason) in ENDINGS.items():
        assert parts[name]["status"] == status
        assert parts[name]["reason"].startswith(reason)
        assert f"| {name} | {status}: {reason}" in summary
    assert parts["right"]["status"] == "passed"
    # What was known before the end is kept.
    for name in ("raises", "breaks_the_device", "is_killed", "is_cut_in_a_line"):
        assert parts[name]["results"] == {"answer": 42}
    assert any("Traceback" in line for line in parts["raises"]["output_end"])
    assert parts["finds"]["problems"] == ["the answer is not 42", "nor is it 43"]


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(processes, seconds=5):
    """Whether they do within some seconds: a process that was killed takes a moment to end."""
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, processes))


def test_what_hangs_is_ended_with_all_that_it_has_started(run):
    code, parts, summary = run("hangs", "right", seconds=6, shares=[1, 1])
    assert code == 1
    hanging = parts["hangs"]
    assert hanging["status"] == "timed out"
    assert hanging["reason"] == "not done within its limit of 3 s"
    assert hanging["output_end"] == ["now it hangs"]
    assert "    now it hangs" in summary
    assert all_end(hanging["results"]["processes"])
    assert parts["right"]["status"] == "passed"


def test_the_time_is_over(run):
    """A part takes its own time and what those before it have left, from nobody else's."""
    started = time.monotonic()
    code, parts, _ = run("right", "hangs", "slow", seconds=2, shares=[4, 4, 0])
    assert code == 1 and time.monotonic() - started < 5
    assert parts["right"]["status"] == "passed" and parts["right"]["limit"] < 1.1
    assert parts["hangs"]["status"] == "timed out" and 1 < parts["hangs"]["limit"] < 2
    assert (parts["slow"]["status"], parts["slow"]["reason"]) == ("not begun", "the time is over")


def test_files_are_few_and_small(run):
    code, parts, _ = run("prints_much", "right")
    assert code == 1
    assert sorted(path.name for path in run.folder.iterdir()) == sorted(
        [record.JSON, record.SUMMARY, record.LOG]
    )
    log = run.folder / record.LOG
    assert log.stat().st_size < runner.LOG_BYTES + 10_000
    assert "the last line" in log.read_text()
    assert parts["prints_much"]["output_end"][-2:] == [
        "the last line",
        "problem: it prints too much",
    ]
    assert len(check.PARTS) * runner.LOG_BYTES < 16 << 20


def test_a_part_whose_results_are_not_complete_has_a_section(run):
    _, _, summary = run("crashes", "slow", "right")
    assert "## crashes\n\n(no results)\n" in summary
    assert "(its results are in gpu_check.json: KeyError: 'answer')" in summary


TOO_LITTLE = "(too little for a summary; what there is is in gpu_check.json)"
# The first result of a part, and what its summary makes of that.
FIRST_RESULTS = {
    "smoke": ({"imports": {"cupy": 0.1}}, TOO_LITTLE),
    "tests": ({"command": "pytest"}, TOO_LITTLE),
    "layers": ({"copy GB/s": 4000.0}, "A copy moves 4000 GB/s"),
    "memcheck": (
        {"planted defect": "noticed"},
        "tool did not come to its end. A",
    ),
    "training": ({"data": "demo"}, TOO_LITTLE),
    "feeding": ({"workers": 8}, TOO_LITTLE),
    "counters": ({"ncu says": ["==PROF== Profiling"]}, "\n    ==PROF== Profiling\n"),
}


@pytest.mark.parametrize("name", check.PARTS)
def test_a_part_that_was_ended_early_says_what_there_is(name, tmp_path):
    report = record.Record(tmp_path, {}, {name: check.PARTS[name].summary})

    def section(results):
        report.update(name, runner.Entry(runner.TIMED_OUT, "too slow", results=results))
        return (tmp_path / record.SUMMARY).read_text().partition(f"## {name}")[2]

    assert section({}).strip() == "(nothing before the limit)"
    results, expected = FIRST_RESULTS.get(name, ({}, ""))
    assert expected in section(results)


def test_the_results_of_another_check_are_not_overwritten(run, capsys):
    run("right")
    assert check.main(["--out", str(run.folder)]) == 2
    assert "holds the results of another check: choose another --out" in capsys.readouterr().err
    assert "passed" in (run.folder / record.SUMMARY).read_text()


def test_a_folder_that_cannot_be_made(run, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert check.main(["--out", str(tmp_path / "out")]) == 7
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1


def test_a_disk_that_is_full_ends_the_check_and_its_part(run, monkeypatch, capsys):
    processes = []

    def update(self, name, entry):
        processes.extend(entry.results.get("processes", ()))
        if processes:
            raise OSError(28, "No space left on device", "gpu_check.json")

    monkeypatch.setattr(record.Record, "update", update)
    code, _, _ = run("hangs", "right")
    assert code == 7
    assert capsys.readouterr().err.startswith("error: disk full: ")
    assert processes and all_end(processes)


def test_a_signal_while_the_end_of_a_part_is_written(run, monkeypatch):
    """Its end is known to the process and not yet to the files."""
    write = record.Record._write

    def interrupted(self):
        if self.entries["right"].status == runner.PASSED:
            monkeypatch.setattr(record.Record, "_write", write)
            raise KeyboardInterrupt
        write(self)

    monkeypatch.setattr(record.Record, "_write", interrupted)
    code, parts, summary = run("right", "slow")
    assert code == 130
    assert [part["status"] for part in parts.values()] == ["passed", "not begun"]
    assert "| right | passed |" in summary


def test_without_a_gpu(monkeypatch, capsys, tmp_path):
    """One line, and no folder."""
    monkeypatch.setattr(backend, "_cuda", None)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "cupy.py").write_text("raise ImportError('no CuPy here')")
    assert check.main(["--out", str(tmp_path / "out")]) == 8
    message = capsys.readouterr().err
    assert message.startswith("error: backend 'cuda' needs CuPy") and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [["--parts", "everything"], ["--minutes", "0"], ["--batch", "-1"], ["--arch", "vgg"]],
)
def test_wrong_use(options, capsys):
    assert check.main(options) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_parts_can_be_chosen_and_keep_their_order():
    arguments = check._parser().parse_args(["--parts", "layers", "smoke"])
    assert arguments.parts == ["layers", "smoke"]
    assert list(check.PARTS)[:4] == ["smoke", "steps", "kernels", "tests"]
    assert sum(part.seconds for part in check.PARTS.values()) == 9 * 60
    assert sys.modules["benchmarks.gpu_check.smoke"].run
