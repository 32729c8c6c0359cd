"""From the settings of a run to its trainer: network, optimizer, schedule, data."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.columns import Column
from alexnet.data.bad_images import Skipping
from alexnet.data.images import set_max_pixels
from alexnet.errors import UsageError
from alexnet.inference.layers import named_layers
from alexnet.model import ARCHITECTURES, layer_values
from alexnet.precision import require_available
from alexnet.run import progress
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import data, fine_tuning, memory_plan, processes, resources
from alexnet.training.loss import TrainingLoss, class_weights
from alexnet.training.settings import Settings
from alexnet.training.trainer import Trainer
from minigrad import backend, manual_seed, nn, optim, set_float32_matmul_precision
from minigrad.distributed import Team, choose_gpu
from minigrad.trace import name_layers

GRAY_LEVELS_STD = 64  # of natural images, about
TRUST_COEFFICIENT = 0.001  # of LARS, as in its paper


def build_trainer(
    settings: Settings,
    make_folder: Callable[[Settings], Path],
    checkpoint: Checkpoint | None = None,
    pretrained: Checkpoint | None = None,
    check_memory: bool = True,
    team: Team | None = None,
) -> tuple[Trainer, memory_plan.Plan]:
    """The trainer of a run, and what the run needs.

    The trainer's settings are those given, with what follows from the data filled in: the source,
    and the sizes of the images.

    Args:
        make_folder: gives the run's folder; called last, when nothing can be wrong any more.
        checkpoint: to continue from.
        pretrained: holds the parameters to begin with.
        check_memory: refuse a run that does not fit into the memory there is.
        team: the processes that train together; by default this one alone.

    Raises:
        BackendError, CheckpointError, DataError, OutOfMemory, UsageError: what is wrong.
    """
    team = team or Team()
    if settings.backend == "cuda":
        choose_gpu(team)
    device = backend.get(settings.backend)
    require_available(settings.precision, device)
    set_float32_matmul_precision("high" if settings.precision == "tf32" else "highest")
    set_max_pixels(settings.max_pixels)
    settings = data.with_source(settings)
    train, validation = data.load_sets(settings)
    if checkpoint:
        checkpoint.require(settings.arch, train.classes)
    processes.require_same_data(team, train, validation)
    bad_images = data.collect_bad_images(settings, train, validation)
    train, validation = Skipping(train, bad_images), Skipping(validation, bad_images)
    # What takes long to find out one process finds out.
    settings = team.from_leader(lambda: data.with_sizes(settings, train))
    # Both columns compute all of a batch.
    sharing = Team() if settings.columns == 2 else team
    network = _build_network(settings, len(train.classes))
    _freeze(network, settings.freeze or [])
    plan = memory_plan.make(network, settings, sharing.size)
    if check_memory:
        plan.require(resources.available_memory(device, team.local_size))
    if pretrained:
        taken = fine_tuning.initialize(network, pretrained, train.classes)
        cli.say(f"beginning with {settings.init_from}: {taken}")
    network.to(settings.backend)
    model = Column(network, team) if settings.columns == 2 else network
    name_layers(named_layers(model))
    if stored := checkpoint or pretrained:
        preprocessing = stored.preprocessing
    else:
        preprocessing = team.from_leader(lambda: data.make_preprocessing(settings, train))
    loaders = data.make_loaders(settings, train, validation, preprocessing, sharing, device)
    optimizer = _build_optimizer(model, settings)
    schedule = _build_schedule(optimizer, settings, steps_per_epoch=len(loaders[0]))
    loss = TrainingLoss(
        class_weights(settings.class_weights, train.classes, train.labels),
        settings.label_smoothing,
        settings.backend,
    )
    trainer = Trainer(
        settings,
        model,
        optimizer,
        schedule,
        *loaders,
        team.from_leader(lambda: make_folder(settings)),
        show_progress=progress.for_this_terminal() if team.leads else progress.silent,
        loss=loss,
        network=network,
    )
    if checkpoint:
        trainer.restore(checkpoint)
    return trainer, plan


def _build_network(settings: Settings, num_classes: int) -> nn.Module:
    manual_seed(settings.seed)
    try:
        return ARCHITECTURES[settings.arch](
            num_classes,
            settings.image_size,
            dropout=settings.dropout,
            init=settings.init,
            bias_init=settings.bias_init,
            input_std=GRAY_LEVELS_STD * float(np.mean(settings.scale)),
            **(settings.network or {}),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _freeze(model: nn.Module, names: list[str]) -> None:
    """Layers that do not learn: their parameters require no gradient.

    Raises:
        UsageError: the network has no such layer, or all are named.
    """
    named = named_layers(model)
    layers = {name: layer for name, layer in named.items() if list(layer.parameters())}
    if unknown := [name for name in names if name not in layers]:
        raise UsageError(
            f"--freeze: the network has no layer {unknown[0]!r} with parameters; it has "
            f"{', '.join(layers)}"
        )
    if layers.keys() <= set(names):
        raise UsageError("--freeze names all layers, so that nothing would learn")
    for name in names:
        for parameter in layers[name].parameters():
            parameter.requires_grad = False


def _build_optimizer(model: nn.Module, settings: Settings) -> optim.Optimizer:
    """Weights and biases in two groups; with SGD biases learn twice as fast (2012 code).

    With LARS biases are not adapted: new ones are zero, so that they have no norm to compare with.
    The rate of LARS is none for them; that of SGD is smaller by the trust coefficient.
    """
    named = list(model.named_parameters())
    biases = {"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0.0}
    lr, groups = settings.lr, [*_weights(model, settings.weight_decay), biases]
    weight_decay = layer_values.layer_value(settings.weight_decay, layer_values.DEFAULT)
    if settings.optimizer == "adam":
        return optim.Adam(groups, lr, weight_decay=weight_decay)
    if settings.optimizer == "lars":
        biases |= {"trust_coefficient": None, "lr": 2 * lr * TRUST_COEFFICIENT}
        return optim.LARS(groups, lr, settings.momentum, weight_decay, TRUST_COEFFICIENT)
    biases["lr"] = 2 * lr
    return optim.SGD(
        groups, lr, settings.momentum, weight_decay, "paper", nesterov=settings.nesterov
    )


def _weights(model: nn.Module, weight_decay: layer_values.LayerValues) -> list[dict[str, Any]]:
    """A group of all weights, and one for each layer whose decay is another one.

    Raises:
        UsageError: the network has no such layer.
    """
    layers = {n: m for n, m in named_layers(model).items() if isinstance(m, nn.Conv2d | nn.Linear)}
    try:
        layer_values.require("--weight-decay", weight_decay, layers, math.inf)
    except ValueError as error:
        raise UsageError(str(error)) from error
    single = weight_decay if isinstance(weight_decay, Mapping) else {}
    groups = [{"params": [layer.weight for name, layer in layers.items() if name not in single]}]
    for name in (name for name in layers if name in single):
        groups.append({"params": [layers[name].weight], "weight_decay": single[name]})
    return groups


def _build_schedule(
    optimizer: optim.Optimizer, settings: Settings, steps_per_epoch: int
) -> optim.Schedule:
    steps = settings.epochs * steps_per_epoch
    warmup = round(settings.warmup * steps)
    if settings.lr_schedule == "cosine":
        return optim.CosineWithWarmup(optimizer, steps, warmup)
    if settings.lr_schedule == "plateau":
        return optim.DivideOnPlateau(
            optimizer, settings.lr_gamma, settings.lr_patience, warmup_steps=warmup
        )
    if settings.lr_milestones:
        milestones = tuple(settings.lr_milestones)
        return optim.MultiStep(optimizer, milestones, settings.lr_gamma, warmup)
    if settings.lr_schedule == "step":
        step_size = settings.lr_step or math.ceil(settings.epochs / 3)
        return optim.Step(optimizer, step_size, settings.lr_gamma, warmup)
    if settings.lr_schedule == "constant":
        return optim.Schedule(optimizer, warmup)
    raise ValueError(f"no schedule is built for --lr-schedule {settings.lr_schedule}")
