"""The section of a report on nearest neighbors: training images that the network finds similar."""

import numpy as np

from alexnet import cli
from alexnet.data import Dataset
from alexnet.data.dataset import Subset
from alexnet.errors import CheckpointError
from alexnet.inference import options
from alexnet.inference.features import Features
from alexnet.report.content import REPORT, Missing, Report
from alexnet.report.html import figure, picture
from alexnet.visualize import nearest, neighbors

INDEXED_IMAGES, QUERIES, NEIGHBORS = 2000, 6, 6


def similar_images(report: Report) -> str:
    dataset = report.require_images().dataset
    arguments = report.arguments
    if arguments.split == "train":
        remedy = cli.command(REPORT, report.folder, "--split", "validation")
        raise Missing("each training image would find itself", remedy)
    training = options.dataset(arguments, report.trained, "train")
    index = training_index(report, training)
    queries = Subset(dataset, min(QUERIES, len(dataset)))
    count = min(NEIGHBORS, len(index.values))
    found = neighbors.find(report.trained, queries, training, index, count)
    same = (index.labels[found.positions] == found.query_features.labels[:, np.newaxis]).sum()
    alt = (
        f"{len(queries)} images, each with its {count} nearest training images; {same} of "
        f"{found.positions.size} neighbors are of the same class"
    )
    return figure(
        picture(neighbors.show(report.trained, found), alt, "jpg"),
        f"Images of the {arguments.split} set, and the training images whose activations in "
        f"{report.trained.chosen_layer()} are nearest to theirs. Blue: of the same "
        "class; dashed orange: of another.",
    )


def training_index(report: Report, training: Dataset) -> Features:
    """The index that `visualize neighbours` left in the run folder, else one of some images."""
    path = report.folder / neighbors.INDEX
    if path.exists():
        try:
            layer = report.trained.chosen_layer()
            return nearest.load(path, nearest.identity(report.checkpoint, training, layer))
        except (nearest.OtherIndex, CheckpointError):
            pass  # of a network before this one
    some = Subset(training, min(INDEXED_IMAGES, len(training)))
    found = neighbors.set_features(report.trained, some)
    return found._replace(indices=some.indices[found.indices])
