"""The section of a report on nearest neighbors: training images that the network finds similar."""

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Subset
from alexnet.inference import options
from alexnet.report.content import REPORT, Missing, Report
from alexnet.report.html import figure, picture
from alexnet.visualize import neighbors

QUERIES, NEIGHBORS = 6, 6


def similar_images(report: Report) -> str:
    dataset = report.require_images().dataset
    arguments = report.arguments
    if arguments.split == "train":
        remedy = cli.command(REPORT, report.folder, "--split", "validation")
        raise Missing("each training image would find itself", remedy)
    training = options.dataset(arguments, report.trained, "train")
    index = neighbors.some_index(report.trained, training)
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
