"""``python -m benchmarks.columns``: the messages are those that the sizes of the layers ask for."""

import json

from benchmarks import columns
from tests.mpi import mpiexec, needs_mpi


@needs_mpi
def test_the_command(tmp_path):
    files = tmp_path / "columns.json", tmp_path / "columns.png"
    size = "--image-size", 67, "--batch-size", 2, "--classes", 5
    finished = mpiexec(2, "-m", "benchmarks.columns", *size, "--json", files[0], "--plot", files[1])
    assert finished.returncode == 0, finished.stderr
    sent = {
        message["before"]: (message["shape"], message["forward"], message["backward"])
        for message in json.loads(files[0].read_text())["messages"]
    }
    assert sent == {
        "norm1": ([2, 15, 15, 2], 3600, 3600),
        "norm2": ([2, 7, 7, 2], 784, 784),
        "conv3": ([2, 3, 3, 128], 9216, 9216),
        "fc6": ([2, 128], 1024, 1024),
        "fc7": ([2, 2048], 16384, 16384),
        "fc8": ([2, 2048], 16384, 16384),
        "loss": ([2, 3], 24, 0),
    }
    assert "sum                             0.047 MB    0.047 MB" in finished.stdout
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_one_process_is_not_enough(capsys):
    assert columns.main([]) == 2
    assert "error: two columns are two processes: start this" in capsys.readouterr().err
