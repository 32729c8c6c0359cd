"""Programs that run networks from ONNX files: onnxruntime and OpenVINO.

They are yardsticks for the forward pass, never dependencies.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.run.checkpoint import Checkpoint
from benchmarks.precision import BF16
from minigrad import nn

RUNTIMES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO"}  # modules and their names

Infer = Callable[[np.ndarray], np.ndarray]


def checkpoint(arch: str, model: nn.Module, side: int) -> Checkpoint:
    """An untrained network of 1000 classes as training would keep it, without an optimizer."""
    preprocessing = Preprocessing(image_size=side, mean=(124, 117, 104), scale=1 / 64)
    classes = [f"class {number}" for number in range(1000)]
    return Checkpoint(arch, classes, preprocessing, model=model.state_dict())


def forward_pass(runtime: str, precision: str, network: Checkpoint) -> Infer:
    """What computes logits (N, C) of float32 images (N, 3, S, S), on as many threads as ours.

    Args:
        runtime: one of `RUNTIMES`.
        precision: of the products; onnxruntime has float32 alone.
    """
    file = _exported(network)
    return _openvino(file, precision) if runtime == "openvino" else _onnxruntime(file)


def _exported(network: Checkpoint) -> bytes:
    """Its ONNX file without the first nodes, which make of pixels what a network of ours takes."""
    import onnx

    from alexnet.export import onnx_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        onnx_file.save(network, path)
        whole = onnx.load(path)
    inner = onnx.utils.Extractor(whole).extract_model(["channels_first"], ["logits"])
    return inner.SerializeToString()


def _onnxruntime(file: bytes) -> Infer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = numba.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (expected,) = session.get_inputs()
    return lambda images: session.run(["logits"], {expected.name: images})[0]


def _openvino(file: bytes, precision: str) -> Infer:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": numba.get_num_threads(),
        # One forward pass after the other, each as fast as possible.
        "PERFORMANCE_HINT": "LATENCY",
        # Left to itself it takes bf16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": "bf16" if precision == BF16 else "f32",
    }
    compiled = core.compile_model(core.read_model(file), "CPU", options)
    request = compiled.create_infer_request()
    return lambda images: request.infer([images], share_inputs=True)[0]
