"""What a report is about: a run, its network, and the results on a set of images.

Its sections are functions from `Report` to HTML, in the modules `run`, `network`, `results` and
`neighbors`. A section that cannot be written raises `Missing`, or the error of the images.
"""

import argparse
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data import Dataset
from alexnet.inference.results import Results
from alexnet.inference.trained import Trained
from alexnet.report.html import text
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.folder import RUN_JSON, precisions
from alexnet.run.metrics import Row
from alexnet.visualize.tuning import mean_circular_variance

REPORT = "python -m alexnet.report"


class Missing(Exception):
    """A section has nothing to show; `remedy` is the command that changes that."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Start(NamedTuple):
    """When, where and after how many steps a run was started or continued, and its changes."""

    time: str
    after_step: int
    changed: dict[str, Any]
    environment: dict[str, Any]


@dataclass
class Images:
    """A set, and the network's results on it."""

    dataset: Dataset
    results: Results


@dataclass
class Report:
    """What the sections are written from.

    Attributes:
        arguments: options of the command.
        snapshots: conv1's kernels by epoch; if there are none, `no_snapshots` says why.
        images: None if they cannot be used; then `no_images` says why.
    """

    arguments: argparse.Namespace
    trained: Trained
    snapshots: dict[int, np.ndarray]
    no_snapshots: str = ""
    images: Images | None = None
    no_images: str = ""

    @property
    def folder(self) -> Path:
        return self.arguments.checkpoint

    @property
    def checkpoint(self) -> Checkpoint:
        return self.trained.checkpoint

    @property
    def data_name(self) -> str:
        return self.arguments.data or self.checkpoint.arguments.get("data", "images")

    @property
    def precision(self) -> str:
        """Of products in training, all where it was changed. The report computes in float32."""
        stored = self.checkpoint.arguments.get("precision", "float32")
        return ", then ".join(precisions(self.folder)) or stored

    @functools.cached_property
    def rows(self) -> list[Row]:
        """One an epoch."""
        return self.trained.metrics

    @functools.cached_property
    def variance_by_epoch(self) -> dict[int, float]:
        """Mean circular variance of conv1's kernels."""
        return {epoch: mean_circular_variance(k) for epoch, k in self.snapshots.items()}

    def require_images(self) -> Images:
        if self.images is None:
            remedy = cli.command(REPORT, self.folder, "--data-root", "DIR")
            raise Missing(self.no_images, remedy)
        return self.images

    def require_rows(self) -> list[Row]:
        if not self.rows:
            raise Missing(f"{self.folder} has no complete epoch", "python -m alexnet.train")
        return self.rows

    def run_json(self) -> tuple[dict[str, Any], list[Start]]:
        """The arguments of the run, and its starts, of which there is at least one."""
        try:
            run = json.loads((self.folder / RUN_JSON).read_text(encoding="utf-8"))
            starts = [
                Start(
                    str(start["time"]),
                    int(start["after_step"]),
                    dict(start["changed"]),
                    dict(start["versions"]) | dict(start["machine"]),
                )
                for start in run["starts"]
            ]
            if not starts:
                raise ValueError("no start")
            return dict(run["arguments"]), starts
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Missing(f"there is no readable {RUN_JSON}", "python -m alexnet.train") from error


def missing(reason: str, remedy: str = "") -> str:
    """The line in place of a section that is left out."""
    remedy = f" <code>{text(remedy)}</code> gives it." if remedy else ""
    return f'<p class="missing">Left out: {text(" ".join(reason.split()))}.{remedy}</p>'
