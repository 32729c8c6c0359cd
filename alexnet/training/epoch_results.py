"""Observers that show or keep the results of each epoch: lines, curves, kernels of conv1."""

from pathlib import Path

from alexnet import files
from alexnet.model import learned_layers
from alexnet.run import filter_snapshots
from alexnet.run.metrics import Row
from alexnet.training.trainer import Observer, Trainer
from alexnet.visualize import figures
from minigrad import nn

CURVES = "training_curves.png"


class EpochLines(Observer):
    """Prints the results of every epoch as a line."""

    def after_checkpoint(self, trainer: Trainer, row: Row) -> None:
        epochs = trainer.settings.epochs
        line = (
            f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}: "
            f"loss {row['train_loss']:.3f}, top-1 {row['train_top1']:6.1%}; "
            f"validation: loss {row['val_loss']:.3f}, top-1 {row['val_top1']:6.1%}, "
            f"top-5 {row['val_top5']:6.1%}; {row['images_per_s']:.1f} images/s, "
            f"{row['seconds']:.0f} s"
        )
        print(line, flush=True)


class Curves(Observer):
    """Draws the curves of all epochs so far into training_curves.png of the run folder."""

    def after_checkpoint(self, trainer: Trainer, row: Row) -> None:
        num_classes = len(trainer.train_loader.dataset.classes)
        figures.training_curves(trainer.log.rows, num_classes, trainer.folder / CURVES)


class FilterSnapshots(Observer):
    """Keeps conv1's weights, float32 (C, 3, KH, KW), of each epoch in the run folder.

    Args:
        folder: of the run.
        epoch: complete epochs of the run so far. The kernels of later ones are deleted: a
            continued run makes them again.
    """

    def __init__(self, folder: Path, epoch: int):
        self._folder = folder
        snapshots = folder / filter_snapshots.FOLDER
        snapshots.mkdir(exist_ok=True)
        files.remove_unfinished(snapshots)
        filter_snapshots.delete_after(folder, epoch)

    def save(self, model: nn.Module, epoch: int) -> None:
        """Write the kernels of an epoch."""
        kernels = learned_layers(model)[0].weight.numpy()
        filter_snapshots.save(self._folder, epoch, kernels)

    def after_epoch(self, trainer: Trainer, row: Row) -> None:
        self.save(trainer.network, row["epoch"])
