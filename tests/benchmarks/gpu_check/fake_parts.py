"""Parts of a check that end in all the ways a part can end, without a GPU and at once."""

import atexit
import os
import signal
import subprocess
import sys
import time

LARGE = 3 << 20  # bytes of output


def right(options, report):
    report.result("answer", 42)


def slow(options, report):
    """Ten results, one after the other."""
    for number in range(10):
        report.result(f"step {number}", number)
        time.sleep(0.02)


def counts(options, report):
    """One result, again and again."""
    for number in range(10):
        report.result("count", number)
        time.sleep(0.1)


def finds(options, report):
    """It works, and what it looks at is wrong."""
    report.result("answer", 41)
    report.problem("the answer is not 42")
    report.problem("nor is it 43")


def raises(options, report):
    report.result("answer", 42)
    raise RuntimeError("what a pity,\nsaid in two lines")


def runs_out_of_memory(options, report):
    raise MemoryError("Out of memory allocating 7,340,032 bytes")


def breaks_the_device(options, report):
    """After an illegal address every call fails, and so does the library that cleans up."""
    atexit.register(os.abort)
    report.result("answer", 42)
    raise RuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")


def is_killed(options, report):
    report.result("answer", 42)
    os.kill(os.getpid(), signal.SIGKILL)


def crashes(options, report):
    os.kill(os.getpid(), signal.SIGSEGV)


def hangs(options, report):
    """And so does what it has started; neither listens to SIGTERM."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = subprocess.Popen([sys.executable, "-c", deaf + "time.sleep(600)"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report.result("processes", [os.getpid(), child.pid])
    print("now it hangs", flush=True)
    time.sleep(600)


def prints_much(options, report):
    print("a line of output\n" * (LARGE // 17))
    print("the last line")
    report.problem("it prints too much")


def is_cut_in_a_line(options, report):
    """Ended while it writes a result."""
    report.result("answer", 42)
    report._file.write('{"result": "half of')
    report._file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
