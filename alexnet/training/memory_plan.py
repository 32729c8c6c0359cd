"""What a training run will need: memory, disk and time.

The memory of a run is estimated as

    LIBRARY_BYTES  +  parameters, and of those that learn, gradients and the optimizer's state
    +  KERNEL_FACTOR * weights of the largest convolution
    +  (input and outputs of all layers) * images that the watch looks at
    +  WORKING_FACTOR * (input and outputs of all layers) * images processed at once
    -  (input and outputs of all layers) * the fewer of these and of the watch's
    +  decoded images * batches loaded ahead
    +  gradients * log2(parts), where a batch is processed in parts: sums of 1, 2, 4, ... of them

All of it is what one process needs: of a team, each has its share of the parts. A process that has
one column of the network needs about as much: half of nearly all, and the whole for checkpoints.

Freed memory is kept for later arrays of about the same size. So what counts is not what is alive
at one moment, but all blocks that were kept: those of the outputs, of the layers' gradients and of
packed panels (WORKING_FACTOR), and those of the watch, which uses the same blocks where the batch
is not smaller than its number of images.

The kernels of a convolution hold its transformed filters, or as many sums of its weight gradient:
up to 121 / 9 numbers for a weight (`kernels/conv2d/cpu_winograd.py`), and some tiles. The next one
uses the same blocks.

The three constants were fitted to measured peaks of whole runs on the CPU, in float32 and in bf16,
which differ by less than 5%; `python -m benchmarks.memory` compares. The kernels were compiled
before: a run that has to compile them takes up to 0.3 GB more, and keeps it. A dry run compiles
them.
"""

import bisect
from dataclasses import dataclass
from datetime import timedelta

from alexnet.data.loader import BATCHES_AHEAD_PER_WORKER
from alexnet.errors import OutOfMemory
from alexnet.inference.layers import convolutions, layer_costs
from alexnet.training.settings import Settings
from alexnet.training.watch import PROBE_IMAGES
from minigrad import nn
from minigrad.summary import LayerSummary

# Python, NumPy, Numba with the compiled kernels, and Matplotlib.
LIBRARY_BYTES = 215e6
KERNEL_FACTOR = 16
WORKING_FACTOR = 2.1
# Arrays of the parameters' size that an optimizer keeps.
OPTIMIZER_STATES = {"sgd": 1, "lars": 1, "adam": 2}
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Plan:
    """What a run needs; memory in bytes.

    Attributes:
        parameters: number of weights and biases.
        multiply_adds: for one image, forward.
        fixed: memory that does not depend on the batch.
        accumulated: memory for a sum of gradients, of which there are several with several parts.
        loaded: memory of decoded images, per image of a batch.
        outputs: memory of the input and the outputs of all layers, per image.
        batch_size: images in a step.
        parts: number of parts in which a batch is processed.
        processes: among which these are divided.
        checkpoint: bytes of one on the disk.
        checkpoints: how many there are at most at any time.
    """

    parameters: int
    multiply_adds: int
    fixed: int
    accumulated: int
    loaded: int
    outputs: int
    batch_size: int
    parts: int
    processes: int
    checkpoint: int
    checkpoints: int

    @property
    def memory(self) -> int:
        """Bytes that the run holds at its peak."""
        return self._memory(self.batch_size, self.parts)

    def _memory(self, batch_size: int, parts: int) -> int:
        own = -(-batch_size // self.processes)
        sums = self.accumulated * (-(-parts // self.processes) - 1).bit_length()
        at_once = -(-batch_size // parts)
        images = WORKING_FACTOR * at_once - min(at_once, PROBE_IMAGES)
        return self.fixed + sums + self.loaded * own + int(self.outputs * images)

    @property
    def disk(self) -> int:
        return self.checkpoints * self.checkpoint

    def require(self, available: int | None) -> None:
        """Raise OutOfMemory, saying what would fit, if the memory available is not enough."""
        if available is not None and self.memory > available:
            raise OutOfMemory(self.shortage(available))

    def shortage(self, available: int | None) -> str:
        """One line: what needs how much, how much is available, and what would fit."""
        batch = self.memory - self.fixed
        text = (
            f"training needs about {_gigabytes(self.memory)} of memory, {_gigabytes(self.fixed)} "
            f"for the network, its gradients and the libraries and {_gigabytes(batch)} for batches "
            f"of {self.batch_size} images"
        )
        if available is None or self.memory <= available:  # the estimate was too low
            return f"{text}: try a smaller --batch-size, or --accumulate {2 * self.parts}"
        text += f", and {_gigabytes(available)} are available: "
        # The fewest parts that fit; these do not, and more parts need less memory.
        numbers = range(self.parts, self.batch_size + 1, self.processes)
        fewest = bisect.bisect_left(
            numbers, True, key=lambda parts: self._memory(self.batch_size, parts) <= available
        )
        if fewest < len(numbers):
            smaller = self._largest_batch(available)
            return f"{text}--batch-size {smaller} would fit, or --accumulate {numbers[fewest]}"
        if smaller := self._largest_batch(available):
            return f"{text}--batch-size {smaller} would fit"
        return (
            f"{text}not even a single image would fit; end other programs, or use another machine"
        )

    def _largest_batch(self, available: int) -> int:
        """The largest batch that fits, processed as a whole; 0 if none does."""
        numbers = range(self.processes, available, self.processes)
        fitting = bisect.bisect_right(
            numbers, available, key=lambda number: self._memory(number, self.processes)
        )
        return fitting * self.processes


def make(model: nn.Module, settings: Settings, processes: int = 1) -> Plan:
    """The plan of a run, whose image size is settled; the network has to be on the CPU still.

    What is frozen has to be so already.

    Args:
        processes: among which the parts of a batch are divided.
    """
    costs = layer_costs(model, settings.image_size)
    parameters = sum(cost.parameters for cost in costs)
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    pixels = 3 * settings.image_size**2
    on_host = settings.backend == "cpu"
    # Between convolutions images are stored in bfloat16 then; weights of linear layers in both.
    image_bytes = FLOAT_BYTES // 2 if settings.precision == "bf16" and not on_host else FLOAT_BYTES
    outputs = image_bytes * pixels + sum(_output_bytes(cost, image_bytes) for cost in costs)
    rounded = 0 if image_bytes == FLOAT_BYTES else image_bytes * parameters
    # On a GPU the libraries are loaded before the free memory is measured.
    libraries = LIBRARY_BYTES if on_host else 0
    kernels = KERNEL_FACTOR * max(layer.weight.numel() for layer in convolutions(model).values())
    arrays_loaded = 1 + BATCHES_AHEAD_PER_WORKER * settings.workers if on_host else 2
    states, averages = OPTIMIZER_STATES[settings.optimizer], int(settings.ema is not None)
    return Plan(
        parameters=parameters,
        multiply_adds=sum(cost.multiply_adds for cost in costs),
        fixed=int(libraries)
        + FLOAT_BYTES * ((1 + averages) * parameters + (1 + states) * learning + kernels)
        + rounded
        + PROBE_IMAGES * outputs,
        accumulated=FLOAT_BYTES * learning,
        loaded=pixels * arrays_loaded,
        outputs=outputs,
        batch_size=settings.batch_size,
        parts=settings.accumulate,
        processes=processes,
        checkpoint=FLOAT_BYTES * (1 + states + averages) * parameters,
        # Besides those kept the last, the best, and the next one while it is written.
        checkpoints=settings.keep + 3,
    )


def _output_bytes(layer: LayerSummary, image_bytes: int) -> int:
    is_images = layer.output_shape is not None and len(layer.output_shape) == 3
    return layer.output_bytes * image_bytes // FLOAT_BYTES if is_images else layer.output_bytes


def describe(
    plan: Plan, available: int | None, disk: int, seconds_per_step: float | None, steps: int
) -> str:
    """The plan as text.

    Args:
        available: bytes of memory, see `resources.available_memory`.
        disk: free bytes.
        seconds_per_step: as measured; None if the run would not fit.
        steps: the number left to make.
    """
    there = "unknown" if available is None else _gigabytes(available)
    lines = [
        f"parameters     {plan.parameters:,}",
        f"multiply-adds  {plan.multiply_adds:,} an image forward, "
        "three times that to learn from it",
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
