"""Whether a conversion keeps the network, by the logits of the same images each time.

What computes them is, where it is installed, the program that a file is from or for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from alexnet.errors import CheckpointError
from alexnet.export import onnx_file, parity, pytorch
from alexnet.export.parity import Parity
from alexnet.formats import caffe, caffe_formulas, torch_file
from alexnet.formats.given import Given
from alexnet.formats.load import HEAD_BYTES, load
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, find
from minigrad import io

PROGRAMS = {"onnxruntime": "onnxruntime", "torch": "PyTorch"}  # by the modules that are imported
FORMS = {
    "run": "a run",
    "own": "a file of this project",
    "safetensors": "parameters in safetensors",
    "torch": "parameters of PyTorch",
    "caffe": "a network of Caffe",
}


def form(source: Path) -> str:
    """What `alexnet.formats.load.load` takes a source for: a key of `FORMS`."""
    path = find(source, BEST, LAST)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if source.is_dir():
        return "run"
    if caffe.recognizes(head):
        return "caffe"
    is_torch = torch_file.recognizes(head)
    _, metadata = torch_file.load(path) if is_torch else io.load(path, leave_out="")
    if "format_version" in metadata:
        return "own"
    return "torch" if is_torch else "safetensors"


def read(checkpoint: Checkpoint, source: Path, given: Given) -> Iterator[str]:
    """A line about the comparison with the program that a source is from; none for our own.

    Args:
        checkpoint: what was read.
        given: what the source does not say.

    Raises:
        CheckpointError: the program computes something else.
    """
    images = parity.demo_images(checkpoint.preprocessing)
    match form(source):
        case "caffe":
            others = caffe_formulas.logits(source, images, given)
            own = parity.logits(checkpoint, images)
            name = "Caffe's formulas in NumPy (no Caffe was run)"
            yield _checked(Parity.of(name, own, others))
        case "torch" | "safetensors":
            try:
                yield _line(
                    lambda: pytorch.compare(checkpoint, pytorch.read(source, given.names), images)
                )
            except _Failed as error:  # the file is not to blame: it was read here
                yield f"not compared with PyTorch, which cannot read it: {error}"


def written(
    checkpoint: Checkpoint, saved: Checkpoint, path: Path, names: str, dtype: str
) -> Iterator[str]:
    """A line about each comparison of a file.

    Args:
        checkpoint: what was saved.
        saved: what the file holds, with rounded parameters.
        names, dtype: as for `alexnet.export.save.save`.

    Raises:
        CheckpointError: the file holds something else.
    """
    images = parity.demo_images(saved.preprocessing)
    own = parity.logits(saved, images)
    suffix = path.suffix.lower()
    try:
        if suffix == ".onnx":
            yield _line(lambda: onnx_file.compare(saved, path, images))
        else:
            others = parity.logits(load(path), images)
            yield _checked(Parity.of("the file as it is read back", own, others))
        if suffix in (".pth", ".pt") or names == "torchvision":
            yield _line(lambda: pytorch.compare(saved, pytorch.read(path), images))
    except _Failed as error:
        raise CheckpointError(
            f"nothing was written: the program that the file is for cannot use it: {error}"
        ) from error
    if dtype != "float32":
        before = parity.logits(checkpoint, images)
        yield str(Parity.of("the network before rounding", before, own))


class _Failed(Exception):
    """Another program cannot use a file; the message has the first line of what it says."""


def _line(compare: Callable[[], Parity]) -> str:
    """The line about the comparison with another program, or that it is not installed."""
    try:
        found = compare()
    except ImportError as error:
        program = PROGRAMS.get(error.name or "", error.name)
        return f"not compared with {program}, which is not installed"
    except MemoryError:
        raise
    except Exception as error:  # programs do not tell which ones they raise
        reason = str(error).partition("\n")[0]
        raise _Failed(f"{type(error).__name__}: {reason}") from error
    return _checked(found)


def _checked(found: Parity) -> str:
    if not found.is_close:
        raise CheckpointError(f"nothing was written: it would be another network {found}")
    return str(found)
