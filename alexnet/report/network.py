"""The sections of a report on the network: kernels of the first layer, and cost of each layer."""

import itertools
import statistics

from alexnet import cli
from alexnet.inference import layers
from alexnet.inference.layers import layer_costs
from alexnet.report.content import Report, missing
from alexnet.report.html import figure, picture, slider, table, text
from alexnet.visualize import response_figures
from alexnet.visualize.kernel_figures import epoch_name, evenly, kernels_figure
from alexnet.visualize.tuning import mean_circular_variance, tuning

MAX_FRAMES = 20  # of the slider; each has 90 kB


def filters(report: Report) -> str:
    conv1 = layers.convolutions(report.trained.model)["conv1"]
    columns = layers.columns(report.trained.model, "conv1")
    caption = (
        f"The {conv1.out_channels} kernels of the first layer, each at full contrast; gray is a "
        "weight of 0."
    )
    if not report.snapshots:
        image = picture(
            kernels_figure(conv1.weight.numpy(), columns, "conv1"), "Kernels of conv1", "png"
        )
        return figure(image, caption, scroll=False) + missing(
            report.no_snapshots, "python -m alexnet.train --snapshot-filters"
        )
    epochs = evenly(list(report.snapshots), MAX_FRAMES)
    labels = [epoch_name(epoch) for epoch in epochs]
    images = [
        picture(
            kernels_figure(report.snapshots[epoch], columns, f"conv1, {label}"),
            f"Kernels of conv1, {label}",
            "png",
            hidden=epoch != epochs[-1],
        )
        for epoch, label in zip(epochs, labels)
    ]
    return figure(slider(images, labels, "Epoch"), caption, scroll=False)


def responses(report: Report) -> str:
    kernels = layers.convolutions(report.trained.model)["conv1"].weight.numpy()
    columns = layers.columns(report.trained.model, "conv1")
    result = tuning(kernels)
    overview = response_figures.overview_figure(result, columns, "conv1", report.variance_by_epoch)
    mean = mean_circular_variance(kernels)
    alt = f"Tuning of conv1's kernels; their mean circular variance is {mean:.2f}"
    command = cli.command("python -m alexnet.visualize", "responses", report.folder)
    return (
        figure(
            picture(overview, alt),
            "What gratings the kernels answer, exactly, from their Fourier amplitudes.",
        )
        + f"<p><code>{text(command)}</code> draws the tuning curves of each kernel.</p>"
    )


def budget(report: Report) -> str:
    """Speed of the training, and cost of each layer."""
    model = report.checkpoint.build()  # on the CPU: the cost of an image is the same anywhere
    costs = layer_costs(model, report.checkpoint.preprocessing.image_size)
    batch_size = report.checkpoint.arguments.get("batch_size", report.arguments.batch_size)
    # ReLU, dropout and flattening are counted with the layer they belong to.
    names = [name for name, stage in layers.stages(model).items() for _ in stage]
    rows, totals = [], [0, 0, 0]
    for name, parts in itertools.groupby(zip(names, costs, strict=True), lambda pair: pair[0]):
        stage_costs = [cost for _, cost in parts]
        amounts = [
            sum(cost.parameters for cost in stage_costs),
            sum(cost.multiply_adds for cost in stage_costs),
            sum(cost.output_bytes for cost in stage_costs) * batch_size,
        ]
        totals = [total + amount for total, amount in zip(totals, amounts)]
        rows.append([name, "×".join(map(str, stage_costs[-1].output_shape)), *_amounts(*amounts)])
    rows.append(["total", "", *_amounts(*totals)])
    multiply_adds = totals[1]
    header = ["layer", "output", "parameters", "multiply-adds", "output, MB"]
    caption = (
        "Parameters, and multiply-adds of an image; the outputs that are kept for the backward "
        f"pass, of a batch of {batch_size}."
    )
    speed = ""
    if report.rows:
        rates = [row["images_per_s"] for row in report.rows]
        rate = statistics.median(rates)
        # Forward, and backward to weights and to inputs: three times, of two operations each.
        speed = (
            f"<p>Training ran at {rate:,.1f} images/s with products in {report.precision} (median "
            f"of the epochs; from {min(rates):,.1f} to {max(rates):,.1f}), which is "
            f"{6 * multiply_adds * rate / 1e9:,.1f} GFLOP/s.</p>"
        )
    return speed + table(header, rows, caption)


def _amounts(parameters: int, multiply_adds: int, size: int) -> list[str]:
    """Cells of a table; a dash for none."""
    texts = [f"{parameters:,}", f"{multiply_adds:,}", f"{size / 1e6:,.2f}"]
    amounts = [parameters, multiply_adds, size]
    return [cell if amount else "–" for cell, amount in zip(texts, amounts)]
