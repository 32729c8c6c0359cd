"""All checks of the doctor, made on a trainer that has not begun."""

from collections.abc import Callable, Iterator

from alexnet.doctor import data_checks, network_checks
from alexnet.doctor.finding import Finding
from alexnet.inference import layers
from alexnet.training.trainer import Trainer
from minigrad import Tensor, optim

# Images looked at, and learnt by heart.
LOOKED_AT, BY_HEART = 16, 8


def examine(trainer: Trainer, say: Callable[[str], None] = lambda text: None) -> Iterator[Finding]:
    """What is wrong with a trainer's data, network and settings; its parameters are spoilt by it.

    Args:
        trainer: from `alexnet.training.build.build_trainer`, whose settings are looked at, too.
        say: is given the table of all layers' signals.
    """
    loader, validation = trainer.train_loader, trainer.val_loader
    model, optimizer = trainer.model, trainer.optimizer
    yield data_checks.counts(loader.dataset, validation.dataset)
    yield data_checks.images(loader, validation.dataset)
    yield data_checks.labels(loader, validation.dataset)

    images, labels = layers.sample_batch(loader, LOOKED_AT, trainer.backend)
    yield data_checks.network_input(Tensor(images).numpy(), trainer.settings.init)
    yield network_checks.parameters(model, optimizer)
    rate = optimizer.groups[0]["initial_lr"]
    signals, scores = network_checks.signals(model, images, labels, rate)
    say(network_checks.table(signals))
    yield network_checks.layers(signals)
    yield network_checks.initial_loss(scores, labels, len(loader.dataset.classes))
    yield network_checks.image_share(scores)
    if isinstance(optimizer, optim.SGD):
        yield network_checks.head_stability(model, images, optimizer)
    yield network_checks.evaluation(model, images)
    yield data_checks.preparation(validation)
    yield network_checks.overfit(model, optimizer, images[:BY_HEART], labels[:BY_HEART])
    yield network_checks.speed(trainer)
