"""A training step of this engine on a GPU, and PyTorch's beside it."""

import contextlib
import copy
import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from alexnet.model import ARCHITECTURES
from alexnet.precision import products_in
from benchmarks import peer
from benchmarks.gpu_check.part import Options
from minigrad import Tensor, backend, manual_seed, nn, optim, set_float32_matmul_precision
from minigrad import functional as F

# By how much the norms of gradients may differ, as a share of the smaller one. Where two pixels are
# nearly equal, rounding decides which gets the gradient; a wrong one is off by its size.
TOLERANCES = {"float32": 1e-2, "tf32": 5e-2, "bf16": 0.2}
FAR = 1e9
# Where each side has dropout masks of its own; a gradient that is not there is off by more.
TOLERANCE_WITH_DROPOUT = 9.0
# A rate so small that the weights hardly move: gradients can be compared after any steps.
SGD = {"lr": 1e-9, "momentum": 0.9, "weight_decay": 5e-4}


class Contestant(ABC):
    """Something that makes training steps: forward, loss, backward, update.

    Attributes:
        name: for tables.
        without_norm: whether local response normalization is left out of its network.
        own_bytes: memory of the device that it holds between its steps.
        tolerance: of the norms of its gradients, as a share: what rounding can make of them.
        has_dropout: in its gradients, which then differ by more than that.
        host_seconds: of each sample, that the host takes to put a step into the queue of a GPU that
            has nothing else to do; where that is as long as the step, the GPU waits for Python.
    """

    has_dropout = False

    def __init__(self, name: str, tolerance: float, without_norm: bool = False):
        self.name = name
        self.tolerance = tolerance
        self.without_norm = without_norm
        self.own_bytes = 0
        self.host_seconds: list[float] = []

    @abstractmethod
    def _take(self, images: np.ndarray, labels: np.ndarray) -> None:
        """See `take`."""

    @abstractmethod
    def step(self) -> None:
        """One step, or at least its way into the queue of the GPU."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the GPU has done all."""

    @abstractmethod
    def gradient_norms(self) -> list[float]:
        """Of each parameter for this batch, without dropout; nothing is updated."""

    @abstractmethod
    def held_bytes(self) -> int:
        """Memory of arrays that exist, of all contestants of this kind."""

    @abstractmethod
    def free(self) -> int:
        """Give back what no array needs; returns what is still taken from the device."""

    @abstractmethod
    def most_taken(self) -> int:
        """The most memory that was taken from the device since `free`, by all of this kind."""

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """What is allocated within this block, and still there at its end, is its own."""
        gc.collect()  # or what others have left would be freed, and subtracted, at the end
        before = self.held_bytes()
        yield
        gc.collect()
        self.own_bytes += self.held_bytes() - before

    def take(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Learn from this batch from now on: float32 (N, 3, S, S), int64 (N,)."""
        with self.counted():
            self._take(images, labels)

    def peak_of_step(self) -> int:
        """The most memory of the device that it needs in a step, its own and the step's."""
        with self.counted():  # gradients and momentum begin to exist
            self.step()
            self.synchronize()
        taken = self.free()
        self.step()
        self.synchronize()
        return self.own_bytes + self.most_taken() - taken

    def sample(self, steps: int) -> float:
        """Seconds of a step, the mean of some; the clock is read when the GPU has done them all."""
        self.synchronize()
        started = time.perf_counter()
        self.step()
        # Of the first one: the queue has room for so many kernels only, and then the host waits.
        self.host_seconds.append(time.perf_counter() - started)
        for _ in range(steps - 1):
            self.step()
        self.synchronize()
        return (time.perf_counter() - started) / steps


class Ours(Contestant):
    """This engine, in one of its precisions."""

    def __init__(self, network: nn.Module, precision: str):
        super().__init__(f"minigrad {precision}", TOLERANCES[precision])
        self._precision = precision
        self._device = backend.get("cuda")
        self._pool = self._device.xp.get_default_memory_pool()
        with self.counted():
            self._model = copy.deepcopy(network).to("cuda")
        self._optimizer = optim.SGD(self._model.parameters(), **SGD)

    def _take(self, images: np.ndarray, labels: np.ndarray) -> None:
        on_device = self._device.images(self._device.asarray(images))
        # As `Batch.prepare` makes them.
        self._images = Tensor(self._device.factor(on_device, self._precision == "bf16"))
        self._labels = labels

    def _loss(self) -> Tensor:
        with multiplying_in(self._precision):
            return F.cross_entropy(self._model(self._images), self._labels)

    def step(self) -> None:
        loss = self._loss()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def synchronize(self) -> None:
        self._device.xp.cuda.Device().synchronize()

    def gradient_norms(self) -> list[float]:
        self._model.eval()
        self._model.zero_grad()
        self._loss().backward()
        norms = [float(np.linalg.norm(p.grad.numpy())) for p in self._model.parameters()]
        self._model.zero_grad()
        self._model.train()
        return norms

    def held_bytes(self) -> int:
        return self._pool.used_bytes()

    def free(self) -> int:
        self._pool.free_all_blocks()
        return self._pool.total_bytes()

    def most_taken(self) -> int:
        return self._pool.total_bytes()  # it keeps all that it has taken


class Torch(Contestant):
    """PyTorch in channels-last memory format.

    Args:
        kind: of the products: "float32", "tf32" or "bf16" (by autocast).
        without_norm: a network without local response normalization, for which PyTorch has no
            kernel of its own.
        compiled: by `torch.compile`, in this mode.
    """

    _cached = True  # weights that autocast has cast, for the length of a forward pass

    def __init__(
        self,
        torch: ModuleType,
        network: nn.Module,
        kind: str,
        without_norm: bool = False,
        compiled: str | None = None,
    ):
        name = f"PyTorch {kind}" + (", no norm" if without_norm else "")
        super().__init__(name, TOLERANCES[kind], without_norm)
        self._torch, self._kind = torch, kind
        torch.manual_seed(0)
        with self.counted():
            model = peer.network(torch, network, without_norm).cuda()
            self._model = model.to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.SGD(self._model.parameters(), fused=True, **SGD)
        self._forward = self._model
        if compiled:
            self.name += f", compiled ({compiled})"
            self.has_dropout = True
            self._forward = torch.compile(self._model, mode=compiled, dynamic=False)

    def _take(self, images: np.ndarray, labels: np.ndarray) -> None:
        torch = self._torch
        self._images = torch.from_numpy(images).cuda().to(memory_format=torch.channels_last)
        self._labels = torch.from_numpy(labels).cuda()

    def step(self) -> None:
        set_precision(self._torch, self._kind)
        self._optimizer.zero_grad()
        self._backward()
        self._optimizer.step()

    def _backward(self) -> None:
        torch = self._torch
        # Cached casts of the weights would not be made again by a recorded graph.
        autocast = torch.autocast(
            "cuda", torch.bfloat16, enabled=self._kind == "bf16", cache_enabled=self._cached
        )
        with autocast:
            loss = torch.nn.functional.cross_entropy(self._forward(self._images), self._labels)
        loss.backward()

    def synchronize(self) -> None:
        self._torch.cuda.synchronize()

    def gradient_norms(self) -> list[float]:
        set_precision(self._torch, self._kind)
        # What is compiled is compiled with dropout, and would be compiled once more without.
        self._model.train(self._forward is not self._model)
        self._optimizer.zero_grad()
        self._backward()
        norms = [parameter.grad.norm().item() for parameter in self._model.parameters()]
        self._optimizer.zero_grad()
        self._model.train()
        return norms

    def held_bytes(self) -> int:
        return self._torch.cuda.memory_allocated()

    def free(self) -> int:
        self._torch.cuda.empty_cache()
        self._torch.cuda.reset_peak_memory_stats()
        return self._torch.cuda.memory_reserved()

    def most_taken(self) -> int:
        return self._torch.cuda.max_memory_reserved()


class TorchGraph(Torch):
    """The whole step of PyTorch as one CUDA graph: the host only says "again"."""

    _cached = False

    def __init__(self, torch: ModuleType, network: nn.Module, kind: str, without_norm: bool):
        super().__init__(torch, network, kind, without_norm)
        self.name += ", CUDA graph"
        self.has_dropout = True

    def _take(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Record a step of this batch."""
        super()._take(images, labels)
        torch = self._torch
        set_precision(torch, self._kind)
        # Before a recording cuDNN tries its algorithms and momentum begins to exist, on a stream
        # beside the usual one, as PyTorch's manual wants it.
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                super().step()
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        self._optimizer.zero_grad()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._backward()
            self._optimizer.step()

    def step(self) -> None:
        self._graph.replay()

    def gradient_norms(self) -> list[float]:
        """Of what the graph computes, which has dropout in it, and updates."""
        self.step()
        return [parameter.grad.norm().item() for parameter in self._model.parameters()]


@contextlib.contextmanager
def multiplying_in(precision: str) -> Iterator[None]:
    """This engine's products within the block, by the names of `alexnet.train --precision`."""
    set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    with products_in(precision):
        yield


def set_precision(torch: ModuleType, kind: str) -> None:
    """What PyTorch may multiply in TF32, and that cuDNN is to look for its fastest algorithm."""
    allowed = kind != "float32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cudnn.benchmark = True


def prepare_to_count() -> None:
    """Let the garbage collector look at new objects only: PyTorch has made a million others."""
    gc.collect()
    gc.freeze()


def network(arch: str, options: Options) -> nn.Module:
    """A network on the CPU, which the contestants copy."""
    manual_seed(0)
    return ARCHITECTURES[arch](image_size=image_size(arch, options), width=options.width)


def image_size(arch: str, options: Options) -> int:
    return options.image_size or ARCHITECTURES[arch].default_image_size


def batch(size: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 3, side, side), np.float32), rng.integers(0, 1000, size)


def usable_torch() -> tuple[ModuleType | None, str]:
    """PyTorch if it is there and sees the GPU; if not, why."""
    torch = peer.import_torch()
    if torch is None:
        return None, "PyTorch is not installed: nothing to compare with"
    if not torch.cuda.is_available():
        return None, f"PyTorch {torch.__version__} sees no GPU: nothing to compare with"
    return torch, ""


def difference(norms: list[float], expected: list[float]) -> float:
    """By how much the norms of gradients differ at most, as a share of the smaller one.

    What is not a number differs as much as anything can, which is `FAR`.
    """
    larger, smaller = np.maximum(norms, expected), np.minimum(norms, expected)
    worst = float(np.max(larger / np.maximum(smaller, 1e-30))) - 1
    return min(worst, FAR) if np.isfinite(worst) else FAR
