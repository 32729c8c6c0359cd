"""Any file of a network as a checkpoint: the one way in."""

from pathlib import Path

from alexnet.errors import CheckpointError
from alexnet.formats import caffe, state_dict, torch_file
from alexnet.formats.given import Given
from alexnet.run.checkpoint import BEST, LAST, OPTIMIZER, Checkpoint, find
from minigrad import io

HEAD_BYTES = 4096
# Behind the length of its header, which is JSON.
SAFETENSORS_HEAD = slice(8, 9)


def load(path: Path, given: Given | None = None) -> Checkpoint:
    """The network of a run or a file, without the state of its optimizer.

    What a file is, its content decides, not its name.

    Args:
        path: a run folder, whose best network is taken, or a file.
        given: what the file does not say.

    Raises:
        CheckpointError: it cannot be read, or holds no AlexNet; one line that says what to do.
    """
    given = given or Given()
    path = find(path, BEST, LAST)
    try:
        if path.is_fifo():  # opening it would wait for ever
            raise CheckpointError(f"{path} is a pipe: give a file, which can be read in any order")
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
        if caffe.recognizes(head):
            return caffe.load(path, given)
        if torch_file.recognizes(head):
            arrays, metadata = torch_file.load(path)
        elif head[SAFETENSORS_HEAD] == b"{":
            arrays, metadata = io.load(path, leave_out=OPTIMIZER)
        else:
            raise CheckpointError(
                f"{path} is not a readable checkpoint: its content is that of no run, and of no "
                ".safetensors, .pth or .caffemodel file"
            )
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if "format_version" not in metadata:
        return state_dict.checkpoint(path, arrays, given)
    found = Checkpoint.unpacked(path, arrays, metadata, optimizer=False)
    return found if given == Given() else state_dict.overridden(path, found, given)
