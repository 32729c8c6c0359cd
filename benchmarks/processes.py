"""A model of a training step on many GPUs, one process each: computed, not measured.

Every process computes the gradients of its own images; then the gradients of all are added. Each
process gets a slice of the gradients of every other one (all-to-all), adds them, and sends the sum
to all others (all-gather): 2 (N - 1) / N times the bytes of the gradients are sent by each, as many
as a ring allreduce sends. The model takes

- the step of one GPU, as measured;
- the bytes of the gradients of each layer, and when they are ready, from the network;
- the bandwidths that others have measured (`NETWORKS`).

What it leaves out makes a real step slower: latencies, which count for the small layers and for
thousands of processes; congestion of the network; a GPU that shares its memory's bandwidth with
the messages; processes that wait for the slowest one; and the reading of images.
"""

from __future__ import annotations

from dataclasses import dataclass

from alexnet.inference.layers import layer_costs
from minigrad import nn

FLOAT_BYTES = 4
GPUS_PER_NODE = 8
# Seconds of a step by its batch: an NVIDIA H200 with TF32 products, the median of
# `python -m benchmarks.gpu_check` on 2026-11-28.
GPU = "NVIDIA H200, TF32"
MEASURED_STEPS = {128: 9.0e-3, 256: 16.5e-3}
# Bytes a second of the memory of an H200, by its data sheet.
MEMORY_BANDWIDTH = 4.8e12


@dataclass(frozen=True)
class Network:
    """What a GPU can send, in bytes a second: to those of its node, and to those of others."""

    name: str
    inside: float
    between: float


# NVLink 4 sends 450 GB/s by its data sheet and 370 GB/s with NCCL's protocol (issue 212 of
# NVIDIA/nccl-tests); an adapter of 400 Gb/s sends 48.5 GB/s (issue 267 there), one of 100 Gb/s
# 12 GB/s (issue 119 there). An all-to-all uses one adapter for each GPU (issue 267).
NVLINK, ADAPTER_400, ADAPTER_100 = 370e9, 48.5e9, 12e9
NETWORKS = (
    Network("NVLink, 400 Gb/s for each GPU", NVLINK, ADAPTER_400),
    Network("NVLink, 400 Gb/s for each node", NVLINK, ADAPTER_400 / GPUS_PER_NODE),
    Network("NVLink, 100 Gb/s Ethernet for each node", NVLINK, ADAPTER_100 / GPUS_PER_NODE),
)


@dataclass(frozen=True)
class Layer:
    """A layer with parameters.

    Attributes:
        gradient_bytes: of all its parameters.
        ready: share of the backward pass after which its gradient is known.
    """

    name: str
    gradient_bytes: int
    ready: float


@dataclass(frozen=True)
class Workload:
    """The step of one GPU.

    Attributes:
        layers: in the order of the backward pass, the last layer first.
        forward, backward, update: seconds.
    """

    layers: list[Layer]
    forward: float
    backward: float
    update: float

    @property
    def gradient_bytes(self) -> int:
        return sum(layer.gradient_bytes for layer in self.layers)

    @property
    def seconds(self) -> float:
        return self.forward + self.backward + self.update


def workload(model: nn.Module, image_size: int, seconds: float) -> Workload:
    """A measured step, divided among the passes and the layers by their multiply-adds.

    A layer needs twice as many backward as forward, for the gradients of its weights and of its
    input; the first one has no gradient of its input. The update is as fast as memory: of each
    parameter five numbers are moved.
    """
    costs = [cost for cost in layer_costs(model, image_size) if cost.parameters]
    forward = sum(cost.multiply_adds for cost in costs)
    backward = 2 * forward - costs[0].multiply_adds
    update = 5 * FLOAT_BYTES * sum(cost.parameters for cost in costs) / MEMORY_BANDWIDTH
    layers, done = [], 0
    for cost in reversed(costs):
        done += (1 if cost is costs[0] else 2) * cost.multiply_adds
        layers.append(Layer(cost.name, FLOAT_BYTES * cost.parameters, done / backward))
    passes = (seconds - update) / (forward + backward)
    return Workload(layers, passes * forward, passes * backward, update)


def sent_bytes(gradient_bytes: int, processes: int) -> float:
    """What each process sends of its gradients and sums."""
    return 2 * (processes - 1) / processes * gradient_bytes


def reduction_seconds(gradient_bytes: int, processes: int, network: Network) -> float:
    """The time to add gradients: the slower of the two kinds of messages, and the additions.

    There is one node, or all are full.
    """
    if processes == 1:
        return 0.0
    share = sent_bytes(gradient_bytes, processes) / (processes - 1)  # for each of the others
    neighbors = min(processes, GPUS_PER_NODE) - 1
    inside = share * neighbors / network.inside
    between = share * (processes - 1 - neighbors) / network.between
    # A slice of every process is read, and their sum is written.
    additions = gradient_bytes * (1 + 1 / processes) / MEMORY_BANDWIDTH
    return max(inside, between) + additions


def step_seconds(work: Workload, processes: int, network: Network, overlap: bool) -> float:
    """The time of a step on this many GPUs, each with the images of `work`.

    Args:
        overlap: whether the gradients of a layer are added while those of the layers before it
            are computed, one layer after the other.
    """
    if not overlap:
        return work.seconds + reduction_seconds(work.gradient_bytes, processes, network)
    end = 0.0  # since the backward pass began
    for layer in work.layers:
        begin = max(end, layer.ready * work.backward)
        end = begin + reduction_seconds(layer.gradient_bytes, processes, network)
    return work.forward + max(end, work.backward) + work.update


HEADER = (
    f"{'GPUs':>6}{'images':>9}{'MB sent':>9}{'reduction ms':>14}{'step ms':>9}{'efficiency':>12}"
    f"{'overlapped ms':>15}{'efficiency':>12}{'images/s':>13}"
)


def line(work: Workload, batch: int, processes: int, network: Network) -> str:
    """A row of the table; images/s is that of overlapped steps."""
    plain, overlapped = (step_seconds(work, processes, network, x) for x in (False, True))
    reduction = reduction_seconds(work.gradient_bytes, processes, network)
    sent = sent_bytes(work.gradient_bytes, processes)
    return (
        f"{processes:>6,}{batch * processes:>9,}{sent / 1e6:>9.1f}{1e3 * reduction:>14.2f}"
        f"{1e3 * plain:>9.2f}{work.seconds / plain:>12.0%}{1e3 * overlapped:>15.2f}"
        f"{work.seconds / overlapped:>12.0%}{batch * processes / overlapped:>13,.0f}"
    )


def report(model: nn.Module, image_size: int, counts: list[int]) -> str:
    """The tables of the model, as text."""
    text = [
        "A model, not a measurement: no step on more than one GPU has been timed. Measured is the\n"
        f"step of one GPU ({GPU}); the rest follows from it, from the bytes of the\n"
        "gradients, and from bandwidths that others have measured. A real step is slower."
    ]
    for batch, seconds in MEASURED_STEPS.items():
        work = workload(model, image_size, seconds)
        text.append(
            f"\n{batch} images for each GPU, {1e3 * seconds:.1f} ms on one; "
            f"{work.gradient_bytes / 1e6:.1f} MB of gradients"
        )
        for network in NETWORKS:
            text.append(f"\n{network.name}\n{HEADER}")
            text += [line(work, batch, count, network) for count in counts]
    work = workload(model, image_size, max(MEASURED_STEPS.values()))
    rows = [
        f"    {layer.name:<6}{layer.gradient_bytes / 1e6:>8.1f} MB after {layer.ready:>4.0%}"
        for layer in work.layers
    ]
    return "\n".join(
        [*text, "\nGradients, and the share of the backward pass they wait for", *rows]
    )
