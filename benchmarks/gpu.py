"""Layers and training steps of this engine on a GPU, and PyTorch's beside them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from alexnet.model import ARCHITECTURES
from benchmarks import peer
from benchmarks.layers import FORWARD, INPUT, Layer, walk
from benchmarks.timing import Sample, interleaved
from minigrad import Tensor, backend, manual_seed, optim, set_float32_matmul_precision
from minigrad import functional as F

PRECISIONS = {"float32": "highest", "tf32": "high"}
# Of PyTorch: memory format, compiled or not, and type of the products.
FORMS = ("eager", "channels-last", "compiled")
TYPES = ("float32", "tf32", "bf16")
CALLS = 5  # in a sample: the clock is read after the GPU has done all of them
SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4}


@dataclass(frozen=True)
class Timing:
    """What a contestant took for a pass of a layer, or for a step."""

    name: str
    contestant: str
    sample: Sample

    def report(self) -> dict:
        """For the file that `--json` writes."""
        return {
            "name": self.name,
            "contestant": self.contestant,
            "seconds": self.sample.seconds,
        }


def _seconds(run: Callable[[], None], synchronize: Callable[[], None]) -> float:
    synchronize()
    started = time.perf_counter()
    for _ in range(CALLS):
        run()
    synchronize()
    return (time.perf_counter() - started) / CALLS


def _timings(name: str, contestants: dict[str, Callable[[], float]], repeats: int) -> list[Timing]:
    samples = interleaved(list(contestants.values()), repeats)
    return [Timing(name, *pair) for pair in zip(contestants, samples)]


# -- layers -------------------------------------------------------------------------------


def time_layers(
    arch: str, batch_size: int, image_size: int, repeats: int, torch: ModuleType | None
) -> list[Timing]:
    """Forward and backward of every layer, in float32 and TF32."""
    manual_seed(0)
    network = ARCHITECTURES[arch](image_size=image_size)
    timings = []
    for layer in walk(network, image_size, batch_size):
        contestants = {}
        for precision in PRECISIONS:
            ours = _our_layer(layer, precision)
            theirs = _torch_layer(layer, precision, torch) if torch else {}
            for of in ("forward", "backward"):
                contestants[f"minigrad {precision}", of] = ours[of]
                if torch:
                    contestants[f"PyTorch {precision}", of] = theirs[of]
        for of in ("forward", "backward"):
            chosen = {name: run for (name, pass_), run in contestants.items() if pass_ == of}
            timings += _timings(f"{layer.name} {of}", chosen, repeats)
    return timings


def _our_layer(layer: Layer, precision: str) -> dict[str, Callable[[], float]]:
    device = backend.get("cuda")
    module = layer.module.to("cuda")
    input = Tensor(device.images(device.asarray(layer.input)), requires_grad=INPUT in layer.passes)
    rng = np.random.default_rng(1)
    grad_output = rng.standard_normal(layer.output_shape, np.float32)
    grad_output = Tensor(device.images(device.asarray(grad_output)))

    def backward() -> float:
        """A graph serves for one backward, so there are as many graphs as calls."""
        outputs = [module(input) for _ in range(CALLS)]

        def one() -> None:
            for leaf in (input, *module.parameters()):
                leaf.grad = None  # or the new gradient would be added to it
            outputs.pop().backward(grad_output)

        return _seconds(one, synchronize)

    def forward() -> float:
        return _seconds(lambda: module(input), synchronize)

    def with_precision(run: Callable[[], float]) -> Callable[[], float]:
        def timed() -> float:
            set_float32_matmul_precision(PRECISIONS[precision])
            return run()

        return timed

    synchronize = device.xp.cuda.Device().synchronize
    return {FORWARD: with_precision(forward), "backward": with_precision(backward)}


def _torch_layer(layer: Layer, precision: str, torch: ModuleType) -> dict[str, Callable[[], float]]:
    module = peer.layer(torch, layer.module.to("cpu")).cuda()
    layer.module.to("cuda")
    input = torch.from_numpy(layer.input).cuda()
    input.requires_grad_(INPUT in layer.passes)
    leaves = [*([input] if input.requires_grad else []), *module.parameters()]
    grad_output = torch.randn(layer.output_shape, device="cuda")

    def forward() -> float:
        _set_torch_precision(torch, precision)
        return _seconds(lambda: module(input), torch.cuda.synchronize)

    def backward() -> float:
        _set_torch_precision(torch, precision)
        outputs = [module(input) for _ in range(CALLS)]
        return _seconds(
            lambda: torch.autograd.grad(outputs.pop(), leaves, grad_output),
            torch.cuda.synchronize,
        )

    return {FORWARD: forward, "backward": backward}


# -- steps --------------------------------------------------------------------------------


def time_steps(
    arch: str,
    batch_size: int,
    image_size: int,
    repeats: int,
    torch: ModuleType | None,
    forms: tuple[str, ...] = FORMS,
) -> list[Timing]:
    """The whole training step: forward, loss, backward, update."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch_size, 3, image_size, image_size), np.float32)
    labels = rng.integers(0, 1000, batch_size)
    contestants = {}
    for precision in PRECISIONS:
        contestants[f"minigrad {precision}"] = _our_step(arch, images, labels, precision)
    for form in forms if torch else ():
        for kind in TYPES:
            contestants[f"PyTorch {form} {kind}"] = _torch_step(
                torch, arch, images, labels, form, kind
            )
    return _timings(f"step of {arch}, batch {batch_size}", contestants, repeats)


def _our_step(
    arch: str, images: np.ndarray, labels: np.ndarray, precision: str
) -> Callable[[], float]:
    manual_seed(0)
    device = backend.get("cuda")
    model = ARCHITECTURES[arch](image_size=images.shape[2]).to("cuda")
    optimizer = optim.SGD(model.parameters(), **SGD)
    batch = Tensor(device.images(device.asarray(images)))

    def step() -> None:
        loss = F.cross_entropy(model(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def timed() -> float:
        set_float32_matmul_precision(PRECISIONS[precision])
        return _seconds(step, device.xp.cuda.Device().synchronize)

    return timed


def _torch_step(
    torch: ModuleType, arch: str, images: np.ndarray, labels: np.ndarray, form: str, kind: str
) -> Callable[[], float]:
    model = peer.network(torch, ARCHITECTURES[arch](image_size=images.shape[2])).cuda()
    batch, target = torch.from_numpy(images).cuda(), torch.from_numpy(labels).cuda()
    if form != "eager":
        batch = batch.to(memory_format=torch.channels_last)
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), fused=True, **SGD)
    if form == "compiled":
        model = torch.compile(model)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=kind == "bf16"):
            loss = torch.nn.functional.cross_entropy(model(batch), target)
        loss.backward()
        optimizer.step()

    def timed() -> float:
        _set_torch_precision(torch, kind)
        return _seconds(step, torch.cuda.synchronize)

    return timed


def _set_torch_precision(torch: ModuleType, kind: str) -> None:
    allowed = kind != "float32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cudnn.benchmark = True
