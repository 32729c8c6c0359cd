"""All checks of the doctor, on a trainer that has not started."""

from collections.abc import Callable, Iterator

import numpy as np

from alexnet.doctor import data_checks, network_checks, training_checks
from alexnet.doctor.finding import Finding
from alexnet.inference import layers
from alexnet.training.trainer import Trainer
from minigrad import Tensor, optim

# Images sent through the network; those of them that it has to memorize.
EXAMINED_IMAGES, OVERFIT_IMAGES = 16, 8


def examine(trainer: Trainer, say: Callable[[str], None] = lambda text: None) -> Iterator[Finding]:
    """What is wrong with a trainer's data, network and settings. Modifies its parameters.

    Args:
        trainer: from `alexnet.training.build.build_trainer`.
        say: receives the table of all layers' signals.
    """
    loader, validation = trainer.train_loader, trainer.val_loader
    model, optimizer = trainer.model, trainer.optimizer
    weights = None if loader.balanced else trainer.loss.class_weights
    is_balanced = loader.balanced or (
        weights is not None and data_checks.count_alike(loader.dataset, weights)
    )
    yield data_checks.counts(loader.dataset, validation.dataset, is_balanced)
    yield data_checks.images(loader, validation.dataset)
    yield data_checks.labels(loader, validation.dataset)

    images, labels = layers.sample_batch(loader, EXAMINED_IMAGES, trainer.backend)
    yield data_checks.network_input(Tensor(images).numpy(), trainer.settings.init)
    yield network_checks.parameters(model, optimizer, trainer.settings.freeze or ())
    group = optimizer.groups[0]
    rate = group["initial_lr"] * group.get("trust_coefficient", 1)  # of LARS: as a rate of SGD
    signals, scores = network_checks.signals(model, images, labels, rate)
    say(network_checks.table(signals))
    frozen = trainer.settings.freeze or ()
    yield network_checks.layers(
        [signal._replace(step=None) if signal.layer in frozen else signal for signal in signals]
    )
    scale = float(np.mean(loader.preprocessing.scale))
    yield network_checks.normalization(model, images, scale)
    yield network_checks.initial_loss(scores, labels, len(loader.dataset.classes))
    yield network_checks.image_share(scores)
    if isinstance(optimizer, optim.SGD):
        yield training_checks.head_stability(model, images, optimizer)
    yield training_checks.evaluation(model, images)
    yield data_checks.preparation(validation)
    yield training_checks.overfit(
        model, optimizer, images[:OVERFIT_IMAGES], labels[:OVERFIT_IMAGES]
    )
    yield training_checks.speed(trainer)
