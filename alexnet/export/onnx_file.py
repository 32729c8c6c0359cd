"""ONNX files, which many programs run; and what onnxruntime computes with one.

`alexnet.export.onnx_graph` says what is in the graph. Around it a file describes what happens to an
image before: `metadata_props` has the entries "architecture", "classes" (the names of the outputs
in their order), "preprocessing", "settings" and "training" (how the network was trained and what it
reached), each as JSON.
"""

import json
from pathlib import Path

import numpy as np

from alexnet import files
from alexnet.errors import UsageError
from alexnet.export import onnx_graph
from alexnet.export.parity import Parity, logits
from alexnet.export.slim import slim
from alexnet.run.checkpoint import Checkpoint
from minigrad import __version__

PROJECT = "minigrad-alexnet"
# Those of ONNX 1.8 (2020): older than the runtimes in use, and the first in which Softmax takes one
# axis. These networks need nothing that came later.
OPSET, IR_VERSION = 13, 7
# Protobuf, the format of these files, has no larger messages.
LARGEST_FILE = 2**31 - 1


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write the file; it appears complete or not at all.

    Takes memory for three more copies of the parameters.

    Raises:
        UsageError: onnx is not installed, or such a file cannot hold the network.
        CheckpointError: the checkpoint's network cannot be built, or it has diverged.
        OSError: the file cannot be written; one that was there before is unchanged.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            "an .onnx file needs onnx, which is not installed: pip install onnx"
        ) from error
    checkpoint = slim(checkpoint)
    metadata = _metadata(checkpoint)
    _require_size(checkpoint, metadata)
    graph, constants = onnx_graph.build(onnx, checkpoint)
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PROJECT,
        producer_version=__version__,
        doc_string=_description(checkpoint),
    )
    onnx.helper.set_model_props(model, metadata)
    for name, array in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    files.write(path, model.SerializeToString())


def compare(checkpoint: Checkpoint, path: Path, images: np.ndarray) -> Parity:
    """The network's logits beside those that onnxruntime computes with a file of it.

    Args:
        images: uint8 (N, S, S, 3), the pixels of N crops.

    Raises:
        ImportError: onnxruntime is not installed.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (others,) = session.run(["logits"], {"images": images})
    return Parity.of(f"onnxruntime {onnxruntime.__version__}", logits(checkpoint, images), others)


def _require_size(checkpoint: Checkpoint, metadata: dict[str, str]) -> None:
    """Raise UsageError if it does not fit into a file."""
    size = sum(array.nbytes for array in checkpoint.model.values())
    size += sum(map(len, metadata.values()))
    graph_size = 2**20  # of everything else, generously
    if size + graph_size > LARGEST_FILE:
        raise UsageError(
            f"an .onnx file holds at most {LARGEST_FILE / 1e9:.1f} GB, and this network of "
            f"{len(checkpoint.classes):,} classes has {size / 1e9:.1f} GB: write a .safetensors "
            "file instead"
        )


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What the graph of a slim checkpoint does not say, each entry as JSON."""
    preprocessing = checkpoint.preprocessing
    entries = {
        "architecture": checkpoint.architecture,
        "classes": checkpoint.classes,
        "preprocessing": {"resize": preprocessing.resize, "crop": preprocessing.image_size},
        "settings": checkpoint.arguments,
        "training": checkpoint.training,
    }
    return {name: json.dumps(value) for name, value in entries.items()}


def _description(checkpoint: Checkpoint) -> str:
    """What whoever has only the file needs to know."""
    size, resize = checkpoint.preprocessing.image_size, checkpoint.preprocessing.resize
    return (
        f"Written by {PROJECT} {__version__}. An image is cut to its central square, resized to "
        f"{resize}x{resize} pixels (bilinear, antialiased) and cropped to the {size}x{size} pixels "
        "in the middle. Their red, green and blue, 0 to 255, are the input: the graph itself "
        'subtracts the mean and scales. The metadata "classes" name the outputs in their order.'
    )
