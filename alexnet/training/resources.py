"""Memory and disk that a training run can have on this machine."""

import mmap
import re
import shutil
from pathlib import Path

from minigrad.backend import Backend

try:
    import resource
except ImportError:  # on Windows
    resource = None

# Bytes of addresses that threads reserve for stacks and heaps, and do not fill: nobody holds them,
# but a limit of addresses counts them.
RESERVED_ADDRESS_BYTES = 200e6
# Where Linux tells the limit of a container and what is used of it: cgroup version 2, version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory(backend: Backend, processes: int = 1) -> int | None:
    """Bytes that this process can hold on a device in total; None if unknown.

    Args:
        processes: of this machine, each of which needs as much.
    """
    if backend.name == "cuda":
        return backend.free_memory()
    held, addresses = _own_memory()
    limits = []
    if (free := _free_memory()) is not None:
        limits.append(held + free // processes)
    for limit_file, usage_file in CGROUPS:
        limit, used = _number(limit_file), _number(usage_file)
        if limit is not None and used is not None:
            limits.append(held + (limit - used) // processes)
    if resource is not None:
        address_limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if address_limit != resource.RLIM_INFINITY:
            limits.append(held + address_limit - addresses - int(RESERVED_ADDRESS_BYTES))
    return min(limits, default=None)


def _own_memory() -> tuple[int, int]:
    """Bytes that this process holds, and bytes of addresses that it has reserved."""
    text = _text("/proc/self/statm")
    if text is None:
        return 0, 0
    addresses, held = (int(pages) * mmap.PAGESIZE for pages in text.split()[:2])
    return held, addresses


def _free_memory() -> int | None:
    """Bytes that the machine can give without paging to disk; None if unknown."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", _text("/proc/meminfo") or "")
    return 1024 * int(found[1]) if found else None


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text and text.strip().isdigit() else None  # "max": no limit


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text("ascii")
    except OSError:
        return None


def free_disk(folder: Path) -> int:
    """Bytes that are free where a folder is or will be."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
