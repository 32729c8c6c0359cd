"""The library whose threads Numba uses for parallel loops: its "threading layer".

Numba knows three: TBB and OpenMP, where they are installed, and its own, "workqueue". It chooses
one when the first kernel runs. All of them give the same results.
"""

import importlib
import logging
import os

import numba

logger = logging.getLogger(__name__)

# How often an idle thread of GNU OpenMP looks for work before it sleeps. By default it looks for
# about a millisecond; where another program computes on the same cores, it takes that time from the
# very thread it waits for. Kernels follow each other faster than this count, so nothing changes on
# a machine with no other load.
SPIN_COUNT = "1000"

_PRIORITY = ["tbb", "omp", "workqueue"]  # Numba's default


def _load_openmp():
    """Numba's connection to OpenMP, or None where there is no OpenMP.

    The library is loaded with `SPIN_COUNT`, unless the user has set it: it reads its settings when
    it is loaded. The variable is taken back, so that others, such as PyTorch's copy of the library,
    do not see it.
    """
    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not chosen:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    library = _loaded("omppool")
    if not chosen:
        del os.environ["GOMP_SPINCOUNT"]
    return library


def _loaded(library):
    try:
        return importlib.import_module(f"numba.np.ufunc.{library}")
    except ImportError:
        return None


def _ignore_unusable_settings() -> None:
    """Ignore, with a line, settings with which the first kernel would end in Numba's error."""
    layer = str(numba.config.THREADING_LAYER).lower()
    missing = {
        "tbb": not _loaded("tbbpool"),
        "safe": not _loaded("tbbpool"),
        "omp": not _openmp,
        "threadsafe": not (_openmp or _loaded("tbbpool")),
        "workqueue": False,
        "forksafe": False,
        "default": False,
    }
    if missing.get(layer, True):
        reason = "its library is not installed" if layer in missing else "Numba knows no such layer"
        _ignore("THREADING_LAYER", layer, reason, "default")
    priority = numba.config.THREADING_LAYER_PRIORITY
    if sorted(priority) != sorted(_PRIORITY):
        reason = f"it must name {', '.join(_PRIORITY)} in some order"
        _ignore("THREADING_LAYER_PRIORITY", " ".join(priority), reason, _PRIORITY)


def _ignore(name, value, reason, default) -> None:
    logger.warning("NUMBA_%s=%s is ignored: %s", name, value, reason)
    setattr(numba.config, name, default)
    # Numba reads the environment again when it has changed.
    os.environ.pop(f"NUMBA_{name}", None)


_openmp = _load_openmp()
_ignore_unusable_settings()


def is_thread_safe() -> bool:
    """Whether parallel loops may run in several Python threads at once.

    Numba's own layer ends the process when that happens. Where it is not certain that another one
    will be chosen, the answer is False.
    """
    layer = str(numba.config.THREADING_LAYER).lower()
    if layer == "default":
        return _openmp is not None and numba.config.THREADING_LAYER_PRIORITY[-1] == "workqueue"
    return layer in ("tbb", "safe", "omp", "threadsafe")


def survives_fork() -> bool:
    """Whether a process that has just been forked can run parallel loops.

    GNU OpenMP waits for threads that only the parent has, and Numba ends such a child with SIGTERM.
    Other libraries start new threads, and so does GNU OpenMP where the parent had not started any.
    """
    try:
        layer = numba.threading_layer()
    except ValueError:  # none has been chosen yet
        return True
    return layer != "omp" or _openmp.openmp_vendor != "GNU"
