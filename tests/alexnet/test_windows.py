"""What Windows lacks is not needed: a training runs without it.

The project has not been tried on Windows itself. Here modules and functions that exist only on
POSIX systems are hidden, folders cannot be opened, and only files that are open for writing can be
synchronized.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.alexnet.runs import OPTIONS, write_images

ROOT = Path(__file__).parents[2]

WINDOWS = """
import errno, fcntl, os, shutil, signal, sys
# These are built for the system they run on, and need some of what is hidden.
import subprocess
import filelock, matplotlib.figure, numba, numpy, PIL.Image, safetensors.numpy, tqdm

AS_ON_WINDOWS = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
sys.modules.update(dict.fromkeys(AS_ON_WINDOWS))
for name in (
    "chown", "confstr", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg",
    "getpgid", "getpriority", "getuid", "killpg", "lchown", "mkfifo", "nice", "posix_fallocate",
    "pread", "preadv", "pwrite", "pwritev", "register_at_fork", "sched_getaffinity", "sendfile",
    "setsid", "statvfs", "sync", "sysconf", "ttyname", "wait3", "wait4",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)

def open_file(path, flags, *arguments, **named):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return open_anything(path, flags, *arguments, **named)

def fsync(descriptor):
    if not flags_of(descriptor, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
        raise OSError(errno.EBADF, "Bad file descriptor")

open_anything, flags_of = os.open, fcntl.fcntl
os.open, os.fsync = open_file, fsync
shutil._use_fd_functions = False  # rmtree would open folders

from alexnet import files, train
files.WINDOWS = True
from alexnet.model import ARCHITECTURES
from tests.alexnet.narrow import NarrowAlexNet

ARCHITECTURES["alexnet"] = NarrowAlexNet
sys.exit(train.main(sys.argv[1:]))
"""


def test_a_training_needs_nothing_that_windows_lacks(tmp_path):
    photos = write_images(tmp_path / "photos")
    command = [sys.executable, "-c", WINDOWS, *OPTIONS, "--data-root", photos]
    result = subprocess.run(
        [*command, "--epochs", "1", "--out", tmp_path / "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert {"last.safetensors", "metrics.csv", "run.json"} <= set(os.listdir(tmp_path / "run"))
