"""What whole networks reach on the data sets that two cores can train them on."""

from alexnet.experiments.experiment import Experiment

IMAGENETTE = Experiment(
    name="imagenette",
    title="AlexNet at 227 pixels on Imagenette",
    data="imagenette",
    settings={
        "image_size": 227,
        "augmentation": "resized",
        "batch_size": 64,
        "lr": 0.015,
        "epochs": 80,
    },
    arms={"alexnet": {}},
    seeds=3,
    ten_views=True,
    minutes=120,
    quick={"subset": 50, "epochs": 1, "image_size": 115},
)
CIFAR10 = Experiment(
    name="cifar10",
    title="AlexNet at 115 pixels on CIFAR-10",
    data="cifar10",
    settings={"image_size": 115, "batch_size": 128, "lr": 0.02, "epochs": 30},
    arms={"alexnet": {}},
    seeds=3,
    ten_views=True,
    minutes=70,
    quick={"subset": 50, "epochs": 1},
)
CUDA_CONVNET = Experiment(
    name="cuda-convnet",
    title="cuda-convnet's small network with 18% error on CIFAR-10",
    data="cifar10",
    # Its file layers-18pct.cfg and params: gray levels minus the mean image, a weight decay of 1
    # in the last layer, and a tenth of the rate after 120 epochs.
    settings={
        "arch": "cifar",
        "image_size": 32,
        "resize": 32,
        "augmentation": "none",
        "color_noise": "none",
        "mean": "image",
        "init": "code2012",
        "scale": 1,
        "weight_decay": "0.004,fc4=1",
        "lr": 0.001,
        "lr_schedule": "step",
        "lr_step": 120,
        "lr_gamma": 0.1,
        "warmup": 0,
        "epochs": 130,
    },
    arms={"within": {"norm": "within"}},
    seeds=3,
    minutes=80,
)
