"""The sections of a report on the run: its numbers, settings, curves and environment."""

import math
import statistics
from datetime import timedelta

from alexnet.model import parameter_count
from alexnet.report.content import Missing, Report
from alexnet.report.html import figure, pairs, picture, table, text
from alexnet.run import setting_texts
from alexnet.run.metrics import Row
from alexnet.visualize import curves


def headline(report: Report) -> str:
    """The most important numbers, as cards."""
    classes = len(report.checkpoint.classes)
    cards = []
    if report.rows:
        best = max(report.rows, key=lambda row: row["val_top1"])
        note = f"validation, epoch {best['epoch']} of {report.rows[-1]['epoch']}"
        cards += [
            ("top-1", f"{best['val_top1']:.1%}", f"chance {1 / classes:.1%}; {note}"),
            ("top-5", f"{best['val_top5']:.1%}", f"chance {min(5 / classes, 1):.1%}"),
            ("loss", f"{best['val_loss']:.3f}", f"guessing {math.log(classes):.3f}"),
        ]
    parameters = parameter_count(report.trained.model)
    cards.append(("parameters", f"{parameters:,}", f"{classes:,} classes"))
    if report.rows:
        speed = statistics.median(row["images_per_s"] for row in report.rows)
        note = f"images/s in training, median; products in {report.precision}"
        cards += [
            ("speed", f"{speed:,.1f}", note),
            ("time", _duration(report.rows), "training and validation"),
        ]
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd><dd>{text(note)}</dd></div>"
        for name, value, note in cards
    )
    return f'<dl class="numbers">{items}</dl>'


def setup(report: Report) -> str:
    try:
        arguments, _ = report.run_json()
    except Missing:
        arguments = report.checkpoint.arguments  # of the start of the run
    rows = []
    for name, value in setting_texts.flat(arguments).items():
        if isinstance(value, list | dict):
            value = setting_texts.shown(value)
        rows.append((name.replace("_", " "), value))
    return pairs(rows)


def learning_curves(report: Report) -> str:
    run = curves.Run(report.folder.resolve().name, report.require_rows(), report.variance_by_epoch)
    best = max(run.rows, key=lambda row: row["val_top1"])
    alt = (
        f"Loss, accuracy, learning rate and speed over {len(run.rows)} epochs; the best "
        f"validation top-1 is {best['val_top1']:.1%} in epoch {best['epoch']}"
    )
    return figure(
        picture(curves.curves_figure([run]), alt),
        "Loss and accuracy in training (with augmentation and dropout) and on the validation "
        "set, learning rate, and images per second.",
    )


def environment(report: Report) -> str:
    _, starts = report.run_json()
    latest = pairs([("started", starts[-1].time), *starts[-1].environment.items()])
    if len(starts) == 1:
        return latest
    rows = [
        [start.time, f"{start.after_step:,}", ", ".join(_change(*c) for c in start.changed.items())]
        for start in starts
    ]
    # The last column is text, too; a number of steps is as well read from the left.
    starts_table = table(["started", "after step", "changed"], rows, "All starts", texts=3)
    return latest + starts_table


def _change(name: str, values: object) -> str:
    """A changed setting, of which run.json has the old and the new value."""
    if isinstance(values, list) and len(values) == 2:
        return f"{name}: {values[0]} → {values[1]}"
    return name


def _duration(rows: list[Row]) -> str:
    return str(timedelta(seconds=round(sum(row["seconds"] for row in rows))))
