"""What the whole AlexNet reaches on the data sets that two cores can train it on."""

from alexnet.experiments.experiment import Experiment

IMAGENETTE = Experiment(
    name="imagenette",
    title="AlexNet at 227 pixels on Imagenette",
    data="imagenette",
    settings={"image_size": 227, "epochs": 30},
    arms={"alexnet": {}},
    seeds=3,
    ten_views=True,
    minutes=150,
    quick={"subset": 50, "epochs": 1, "image_size": 115},
)
CIFAR10 = Experiment(
    name="cifar10",
    title="AlexNet at 115 pixels on CIFAR-10",
    data="cifar10",
    settings={"image_size": 115, "epochs": 10},
    arms={"alexnet": {}},
    seeds=3,
    ten_views=True,
    minutes=90,
    quick={"subset": 50, "epochs": 1},
)
