"""What the soak calls growth: leaks, and neither noise nor what a run keeps of each epoch."""

import random
from dataclasses import fields, replace

import pytest

from tests.stress.soak import STEPS_PER_EPOCH, Sample, growing, take

LENGTHS = pytest.mark.parametrize("epochs", [34, 667])
SNAPSHOT = 14_648  # bytes of conv1 of the narrow network


def samples(epochs, **an_epoch):
    """Of a run that warms up, with noise, and that grows by so much in each epoch."""
    rng = random.Random(0)
    first = Sample(0, 400_000_000, 150_000_000, 312_000, 13, 3, 20, 0)
    found = []
    # What the healthy run keeps.
    kept = {"memory": 500, "heap": 500, "objects": 0.3, "files": 1, "bytes": SNAPSHOT + 1500}
    for epoch in range(1, epochs + 1):
        rates = kept | an_epoch
        values = {name: getattr(first, name) + int(rate * epoch) for name, rate in rates.items()}
        values["memory"] += min(epoch, 5) * 2_000_000 + rng.randrange(8_000_000)
        values["heap"] += min(epoch, 5) * 1_000_000 + rng.randrange(50_000)
        # A file that is open for a moment.
        values["open_files"] = values.get("open_files", 13) + (rng.random() < 0.2)
        found.append(replace(first, epoch=epoch, **values))
    return found


@LENGTHS
def test_a_healthy_run_does_not_grow(epochs):
    assert growing(samples(epochs)) == []


def test_a_table_that_doubles_is_no_leak():
    found = samples(667)
    found[500:] = [replace(sample, heap=sample.heap + 4_000_000) for sample in found[500:]]
    assert growing(found) == []
    found[600:] = [replace(sample, heap=sample.heap + 4_000_000) for sample in found[600:]]
    found[550:] = [replace(sample, heap=sample.heap + 4_000_000) for sample in found[550:]]
    assert len(growing(found)) == 1


@LENGTHS
@pytest.mark.parametrize(
    "name, an_epoch",
    [
        ("memory", 100_000 * STEPS_PER_EPOCH),
        ("heap", 1024 * STEPS_PER_EPOCH),
        ("objects", 1 + 6),
        ("open_files", 0.3),
        ("threads", 0.3),
        ("files", 2),
        ("bytes", SNAPSHOT + 1024 * STEPS_PER_EPOCH),
    ],
)
def test_a_leak_is_growth(epochs, name, an_epoch):
    (line,) = growing(samples(epochs, **{name: an_epoch}))
    assert line.startswith(name.replace("_", " "))


def test_a_sample(tmp_path):
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters" / "one").write_bytes(b"12345")
    before, block = take(tmp_path, 1), bytes(10**6)
    with open(tmp_path / "two", "w"):
        after = take(tmp_path, 2)
    assert after.heap - before.heap == pytest.approx(len(block), rel=0.2)
    assert after.open_files == before.open_files + 1
    assert (before.files, before.bytes, after.files) == (1, 5, 2)
    assert all(getattr(before, field.name) > 0 for field in fields(before))
