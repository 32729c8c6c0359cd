"""``python -m alexnet.train --backend cuda``, on a narrow network."""

import csv
import gc

import pytest

from alexnet import train
from alexnet.run.metrics import TIMING_COLUMNS

pytestmark = pytest.mark.usefixtures("narrow")
# 20 steps on the demo set.
OPTIONS = ("--subset", "80", "-b", "4", "--image-size", "67", "--epochs", "1", "--lr", "0.003")


def run(folder, *options):
    """The rows of metrics.csv."""
    assert train.main([*map(str, options)]) == 0
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: float(value) for name, value in row.items() if name not in TIMING_COLUMNS}
        for row in rows
    ]


def test_twenty_steps_end_with_the_losses_of_the_cpu(tmp_path, cuda, capsys, request):
    expected = run(tmp_path / "cpu", *OPTIONS, "--out", tmp_path / "cpu")
    rows = run(tmp_path / "cuda", *OPTIONS, "--out", tmp_path / "cuda", "--backend", "cuda")
    assert "On cuda (" in capsys.readouterr().err
    for name, value in expected[0].items():
        # On a device, of two scores that are nearly equal another may be the higher one: two of 80.
        on_gpu = request.config.getoption("--gpu")
        tolerance = 2 / 80 if on_gpu and "top" in name else 1e-4
        assert rows[0][name] == pytest.approx(value, abs=tolerance), name
    # The run goes on where there is no GPU.
    resumed = run(
        tmp_path / "cuda", "--resume", tmp_path / "cuda", "--backend", "cpu", "--epochs", "2"
    )
    assert len(resumed) == 2


def test_out_of_memory_is_one_line(tmp_path, memory_pool, capsys):
    gc.collect()  # of the tests before
    memory_pool.free_all_blocks()
    # Enough for the network, and not for a step.
    memory_pool.set_limit(size=memory_pool.used_bytes() + (2 << 20))
    try:
        code = train.main([*OPTIONS, "--out", str(tmp_path / "run"), "--backend", "cuda"])
    finally:
        memory_pool.set_limit(size=0)
    assert code == 6
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: out of memory (Out of memory allocating")
    assert last.endswith("try a smaller --batch-size, or --accumulate 2")
