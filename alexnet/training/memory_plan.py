"""What a training run is going to need: memory, disk and time.

The memory of a run is estimated as

    LIBRARIES  +  parameters, their gradients and the optimizer's state
    +  WORKING * (input and outputs of all layers) * images processed at once
    +  (input and outputs of all layers) * images that the watch looks at
    +  decoded images * batches loaded ahead
    +  twice the gradients, where a batch is processed in parts: those of one more part, and sums

No part shrinks before the run ends: memory that arrays leave is kept for the next ones of about
their size. So what counts is not what is alive at one moment, but all blocks that there ever are:
those of the outputs, of the layers' gradients and of packed panels (WORKING), and those of the
watch, which looks at another number of images than a batch has.

WORKING and LIBRARIES were fitted to measured peaks of whole runs on the CPU; `python -m
benchmarks.memory` compares. The kernels were compiled: a run that has to compile them takes up to
0.3 GB more, and keeps it. A dry run compiles them.
"""

import os
import re
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alexnet.data.loader import BATCHES_AHEAD_PER_WORKER
from alexnet.errors import OutOfMemory
from alexnet.inference.layers import layer_costs
from alexnet.training.watch import PROBE_IMAGES
from minigrad import nn
from minigrad.backend import Backend

try:
    import resource
except ImportError:  # Windows, which has no such limits
    resource = None

# Bytes of Python, NumPy, Numba with the compiled kernels, and Matplotlib.
LIBRARIES = 262e6
WORKING = 2.5
# Bytes of addresses that threads reserve for stacks and heaps, and do not fill: nobody holds them,
# but a limit of addresses counts them.
RESERVED = 200e6
# Arrays of the parameters' size that an optimizer keeps.
STATES = {"sgd": 1, "adam": 2}
FLOAT = 4  # bytes
# Where Linux tells the limit of a container and what is used of it: cgroup version 2, version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


@dataclass(frozen=True)
class Plan:
    """What a run needs; memory in bytes.

    Attributes:
        parameters: learnt weights and biases.
        multiply_adds: of one image, forward.
        fixed: memory that does not depend on the batch.
        accumulated: memory that only a batch in parts needs.
        loaded: memory of decoded images for each image of a batch.
        worked_on: memory for each image that is processed at once.
        batch_size: images in a step.
        parts: in which a batch is processed.
        checkpoint: size of one.
        checkpoints: how many there are at most at a time.
    """

    parameters: int
    multiply_adds: int
    fixed: int
    accumulated: int
    loaded: int
    worked_on: int
    batch_size: int
    parts: int
    checkpoint: int
    checkpoints: int

    @property
    def memory(self) -> int:
        """What the run holds at its peak."""
        return self._memory(self.batch_size, self.parts)

    def _memory(self, batch_size: int, parts: int) -> int:
        in_parts = self.accumulated if parts > 1 else 0
        at_once = -(-batch_size // parts)
        return self.fixed + in_parts + self.loaded * batch_size + self.worked_on * at_once

    @property
    def disk(self) -> int:
        return self.checkpoints * self.checkpoint

    def require(self, available: int | None) -> None:
        """Raise OutOfMemory, saying what would fit, if so much memory is not enough."""
        if available is not None and self.memory > available:
            raise OutOfMemory(self.shortage(available))

    def shortage(self, available: int | None) -> str:
        """What needs how much, how much there is, and what would fit, in one line."""
        batch = self.memory - self.fixed
        text = (
            f"training needs about {_gigabytes(self.memory)} of memory, {_gigabytes(self.fixed)} "
            f"for the network, its gradients and the libraries and {_gigabytes(batch)} for batches "
            f"of {self.batch_size} images"
        )
        if available is None or self.memory <= available:  # the estimate was too low
            return f"{text}: try a smaller --batch-size, or --accumulate {2 * self.parts}"
        text += f", and {_gigabytes(available)} are available: "
        parts = self.parts
        while parts < self.batch_size and self._memory(self.batch_size, parts) > available:
            parts += 1
        if self._memory(self.batch_size, parts) <= available:
            smaller = self._largest_batch(available)
            return f"{text}--batch-size {smaller} would fit, or --accumulate {parts}"
        if smaller := self._largest_batch(available):
            return f"{text}--batch-size {smaller} would fit"
        return (
            f"{text}not even a single image would fit; end other programs, or use another machine"
        )

    def _largest_batch(self, available: int) -> int:
        """The largest batch that fits, processed as a whole; 0 if none does."""
        return max(0, int((available - self.fixed) // (self.loaded + self.worked_on)))


def make(
    model: nn.Module,
    image_size: int,
    *,
    optimizer: str,
    batch_size: int,
    parts: int,
    workers: int,
    device: str,
    keep: int,
) -> Plan:
    """The plan of a run that keeps `keep` checkpoints; the network has to be on the CPU still."""
    costs = layer_costs(model, image_size)
    parameters = sum(cost.parameters for cost in costs)
    pixels = 3 * image_size**2
    outputs = FLOAT * pixels + sum(cost.activation_bytes for cost in costs)
    on_host = device == "cpu"
    # On a GPU the libraries are there before the free memory is looked at.
    libraries = LIBRARIES if on_host else 0
    learnt = FLOAT * (2 + STATES[optimizer]) * parameters
    return Plan(
        parameters=parameters,
        multiply_adds=sum(cost.multiply_adds for cost in costs),
        fixed=int(libraries) + learnt + PROBE_IMAGES * outputs,
        accumulated=2 * FLOAT * parameters,
        loaded=pixels * (1 + BATCHES_AHEAD_PER_WORKER * workers if on_host else 2),
        worked_on=int(WORKING * outputs),
        batch_size=batch_size,
        parts=parts,
        checkpoint=FLOAT * (1 + STATES[optimizer]) * parameters,
        # Besides those kept the last, the best, and the next one while it is written.
        checkpoints=keep + 3,
    )


def available_memory(backend: Backend) -> int | None:
    """Bytes that this process can hold in all on a device; None where nobody knows."""
    if backend.name == "cuda":
        return backend.free_memory()
    held, addresses = _own_memory()
    limits = []
    if (free := _free_memory()) is not None:
        limits.append(held + free)
    for limit, usage in CGROUPS:
        most, used = _number(limit), _number(usage)
        if most is not None and used is not None:
            limits.append(held + most - used)
    if resource is not None:
        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            limits.append(held + most - addresses - int(RESERVED))
    return min(limits, default=None)


def _own_memory() -> tuple[int, int]:
    """Bytes that this process holds, and bytes of addresses that it has reserved."""
    text = _text("/proc/self/statm")
    if text is None:
        return 0, 0
    addresses, held = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in text.split()[:2])
    return held, addresses


def _free_memory() -> int | None:
    """Bytes that the machine can give without paging to disk."""
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


def describe(
    plan: Plan, available: int | None, disk: int, seconds_per_step: float | None, steps: int
) -> str:
    """The plan in lines for people.

    Args:
        available: memory, see `available_memory`.
        disk: bytes that are free.
        seconds_per_step: as measured, None where the run would not fit.
        steps: that are left to be made.
    """
    there = "unknown" if available is None else _gigabytes(available)
    lines = [
        f"parameters     {plan.parameters:,}",
        f"multiply-adds  {plan.multiply_adds:,} an image forward, three times that to learn from it",
        f"memory         about {_gigabytes(plan.memory)}: {_gigabytes(plan.fixed)} and "
        f"{(plan.memory - plan.fixed) / plan.batch_size / 1e6:.1f} MB for each of "
        f"{plan.batch_size} images; available: {there}",
        f"disk           {_gigabytes(plan.disk)}: up to {plan.checkpoints} checkpoints of "
        f"{_gigabytes(plan.checkpoint)}; free: {_gigabytes(disk)}",
    ]
    if seconds_per_step is not None:
        whole = timedelta(seconds=round(seconds_per_step * steps))
        lines.append(
            f"time           about {whole} for {steps:,} steps of {seconds_per_step:.2f} s, as one "
            "step just took; validation comes on top, and waiting for data where decoding is slower"
        )
    return "\n".join(lines)


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
