"""What must be right before the first import of Numba: the kernels' folder, the number of threads.

`minigrad/__init__.py` imports this module first.
"""

import importlib.util
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)


def require_kernels() -> None:
    """Raise ImportError where the kernels are missing: git made no link to them."""
    if importlib.util.find_spec("minigrad.kernels") is None:
        raise ImportError(
            f"{Path(__file__).with_name('kernels')} should be a link to the folder kernels beside "
            "minigrad, but git has made a text file of it: clone again with `git clone -c "
            "core.symlinks=true` (on Windows with Developer Mode switched on), or delete the file "
            r"and run `mklink /J minigrad\kernels kernels` in the clone's folder"
        )


def ignore_impossible_thread_count() -> None:
    """Ignore, with a line, a NUMBA_NUM_THREADS that is no number of threads.

    Numba cannot be imported with a number below 1, and prints a traceback for anything else. GNU
    OpenMP treats an OMP_NUM_THREADS of this kind in the same way.
    """
    text = os.environ.get("NUMBA_NUM_THREADS")
    if text is not None and not (text.strip().isdecimal() and int(text) > 0):
        logger.warning("NUMBA_NUM_THREADS=%s is ignored: it is not a number of 1 or more", text)
        del os.environ["NUMBA_NUM_THREADS"]


require_kernels()
ignore_impossible_thread_count()
