"""`import torch` finds PyTorch itself, whose GPU is the CPU.

As far as `benchmarks/gpu_check` uses it: everything is computed at once, so streams, graphs and
waiting are nothing; the profiler tells of the launches of the emulator.
"""

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path

from tests.cuda_emulator import launch

FOLDER = str(Path(__file__).resolve().parents[1])

# The real one takes the place of this module; without this folder in the path it is found.
_path = list(sys.path)
sys.path[:] = [entry for entry in sys.path if str(Path(entry or ".").resolve()) != FOLDER]
del sys.modules["torch"]
try:
    torch = importlib.import_module("torch")
finally:
    sys.path[:] = _path

DEVICE_BYTES = 80 << 30


class Graph:
    """torch.cuda.CUDAGraph: the work was done while it was recorded."""

    def replay(self):
        pass


class Stream:
    cuda_stream = 0

    def wait_stream(self, other):
        pass


@contextlib.contextmanager
def nothing(*arguments, **options):
    yield


class Autocast(torch.autocast):
    """torch.autocast("cuda", ...)"""

    def __init__(self, device_type, *arguments, **options):
        super().__init__("cpu", *arguments, **options)


class Profile:
    """torch.profiler.profile: writes down what the emulator launches, as CUPTI would.

    PyTorch's own work it does not see: when that is waited for, it counts as three kernels.
    """

    def __init__(self, activities=None, **options):
        self.events = []

    def __enter__(self):
        self._launch, self._synchronize = launch.Function.__call__, torch.cuda.synchronize
        self._waited = time.perf_counter()

        def recorded_launch(function, *arguments, **options):
            begin = time.perf_counter()
            self._launch(function, *arguments, **options)
            self._add(f"void {function.name}(float const*)", begin)

        def recorded_wait(device=None):
            for _ in range(3):
                self._add("void at::native::everything(float*)", self._waited)

        launch.Function.__call__, torch.cuda.synchronize = recorded_launch, recorded_wait
        return self

    def __exit__(self, *error):
        launch.Function.__call__, torch.cuda.synchronize = self._launch, self._synchronize

    def _add(self, name, begin):
        times = {"ts": 1e6 * begin, "dur": 1e6 * (time.perf_counter() - begin)}
        self.events.append({"ph": "X", "cat": "kernel", "name": name, "args": {}, **times})

    def export_chrome_trace(self, path):
        others = [{"ph": "M", "name": "process_name", "args": {"name": "python"}}]
        Path(path).write_text(json.dumps({"traceEvents": others + self.events}))


def _itself(self, *arguments, **options):
    return self


torch.Tensor.cuda = torch.nn.Module.cuda = _itself
torch.autocast = Autocast
torch.profiler.profile = Profile
# Compilation for the CPU takes half a minute, and is PyTorch's business.
torch.compile = lambda model, **options: model
_cuda = torch.cuda
_cuda.is_available = lambda: True
_cuda.synchronize = lambda device=None: None
_cuda.empty_cache = lambda: None
_cuda.reset_peak_memory_stats = lambda device=None: None
_cuda.memory_allocated = lambda device=None: 1 << 20
_cuda.memory_reserved = lambda device=None: 2 << 20
_cuda.max_memory_reserved = lambda device=None: 3 << 20
_cuda.CUDAGraph, _cuda.Stream = Graph, Stream
_cuda.current_stream = lambda device=None: Stream()
_cuda.stream = _cuda.graph = nothing
