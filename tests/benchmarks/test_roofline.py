"""The bounds of a step on a GPU, by hand where a hand can count."""

import json

import pytest

from benchmarks import roofline

# A GPU that multiplies 1,000 numbers a nanosecond, half as many in TF32, and moves 1,000 bytes.
GPU = roofline.Gpu("test", {"float32": 1, "tf32": 1, "bf16": 2}, 1)
PARAMETERS = 60_965_224


@pytest.fixture(scope="module")
def calls():
    return roofline.step_of_one_image("alexnet")


def rows_of(calls, precision, batch):
    return {row.name: row for row in roofline.bounds(calls, GPU, precision, batch)}


def test_a_convolution(calls):
    """conv1: 55 x 55 x 96 sums of 11 x 11 x 3 products of images of 227 x 227."""
    row = rows_of(calls, "tf32", 10)["conv1 + relu1 forward"]
    assert row.flops == 10 * 2 * 55 * 55 * 96 * 363
    weights = 96 * 363 + 96
    assert row.bytes == 4 * (10 * (227 * 227 * 3 + 55 * 55 * 96) + weights)
    assert row.arithmetic == row.flops / 1e12 and row.memory == row.bytes / 1e12
    assert row.seconds == row.arithmetic
    half = rows_of(calls, "bf16", 10)["conv1 + relu1 forward"]
    assert half.flops == row.flops and half.arithmetic == row.arithmetic / 2
    # Images are half as large, parameters stay float32.
    assert half.bytes == row.bytes / 2 + 2 * weights


def test_the_update_does_not_grow_with_the_batch(calls):
    for batch in (1, 100):
        row = rows_of(calls, "bf16", batch)["update"]
        assert row.bytes == 5 * 4 * PARAMETERS and row.seconds == row.memory


def test_normalization_with_pooling_computes_in_float32(calls):
    rows = rows_of(calls, "bf16", 2)
    row = rows["norm1 + pool1 forward"]
    assert row.arithmetic == row.flops / 1e12
    # Its images are bfloat16; which pixel was the largest is an int32.
    assert row.bytes == 2 * (2 * 55 * 55 * 96 + (2 + 4) * 27 * 27 * 96)


def test_all_products_of_a_step(calls):
    """Three for each layer, but no gradient of the images: 4.14 GFLOP an image."""
    rows = roofline.bounds(calls, GPU, "tf32", 1)
    products = sum(row.flops for row in rows if row.name.startswith(("conv", "fc")))
    assert products == pytest.approx(4.14e9, rel=0.01)


def test_the_table_and_the_report(tmp_path, capsys):
    file = tmp_path / "roofline.json"
    options = ("--arch", "owt", "--device", "h100", "--batch", "256", "--json", str(file))
    assert roofline.main([*options, "--precision", "bf16", "tf32"]) == 0
    printed = capsys.readouterr().out
    assert "training step of owt, batch 256, on a H100 SXM: 989.4 TFLOP/s in bf16" in printed
    report = json.loads(file.read_text())
    half, whole = (report["results"][name] for name in ("bf16", "tf32"))
    seconds = [sum(row["seconds"] for row in rows) for rows in (half, whole)]
    assert seconds[0] < seconds[1]
    assert f"at most {256 / seconds[0]:,.0f} images/s" in printed
    assert roofline.main(["--device", "abacus"]) == 2
