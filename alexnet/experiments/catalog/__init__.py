"""All experiments, by name; each has a file of its own."""

from alexnet.experiments.catalog.augmentation import AUGMENTATION
from alexnet.experiments.catalog.columns import COLUMNS
from alexnet.experiments.catalog.dropout import DROPOUT
from alexnet.experiments.catalog.figure1 import FIGURE1, FIGURE1_RATES
from alexnet.experiments.catalog.normalization import NORMALIZATION, NORMALIZATION_RATES
from alexnet.experiments.catalog.whole import CIFAR10, CUDA_CONVNET, IMAGENETTE
from alexnet.experiments.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        *(FIGURE1_RATES, FIGURE1, NORMALIZATION_RATES, NORMALIZATION),
        *(AUGMENTATION, DROPOUT, COLUMNS),
        *(IMAGENETTE, CIFAR10, CUDA_CONVNET),
    )
}
