"""Networks in Python: train one, load one, and use it, in a script, a thread or a notebook."""

import html
import threading
import time
from pathlib import Path
from typing import Any

from alexnet import cli, interrupts
from alexnet.errors import Terminated, UsageError
from alexnet.export.write import Written, write
from alexnet.formats.given import Given
from alexnet.inference.trained import BATCH_SIZE, WORKERS
from alexnet.model import parameter_count
from alexnet.training.options import from_keywords
from alexnet.training.run import run
from alexnet.visualize.network_figures import TrainedWithFigures
from minigrad.distributed import Team

# Held by the one `fit` of the process: runs share the engine's random numbers.
_training = threading.Lock()


class Network(TrainedWithFigures):
    """A trained network: `load` and `fit` give one."""

    def save(self, path: Path | str, *, names: str = "own", dtype: str = "float32") -> Written:
        """Write the network as a file for others, with a page beside it that tells about it.

        The file is read back, by the program that it is for where that is installed, and compared.

        Args:
            path: ends in .safetensors; in .pth or .pt for PyTorch; or in .onnx.
            names: of the parameters in a .safetensors file: "own", or "torchvision" for PyTorch.
            dtype: "float32", "float16" or "bfloat16".

        Returns:
            what was written; as text it tells how far the logits of the two are apart.

        Raises:
            UsageError: the file cannot be of this form, or something would be lost.
            OSError: it cannot be written; nothing has changed.
        """
        return write(self.checkpoint, Path(path), self.source, names=names, dtype=dtype)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self._facts().items())
        return f"<Network {self.source}: {facts}>"

    def _repr_html_(self) -> str:
        rows = {"file": str(self.source), **self._facts()}
        cells = (
            f"<tr><th>{name}</th><td>{html.escape(cli.one_line(value))}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{''.join(cells)}</table>"

    def _facts(self) -> dict[str, str]:
        """What to know first about the network, in words."""
        checkpoint, size = self.checkpoint, self.checkpoint.preprocessing.image_size
        facts = {
            "architecture": checkpoint.architecture,
            "parameters": f"{parameter_count(self.model):,}",
            "images": f"{size}x{size}",
            "classes": _listed(self.classes),
        }
        training = checkpoint.training
        if training.get("best_epoch"):
            best = f"{training['best_top1']:.1%} in epoch {training['best_epoch']}"
            facts["best validation top-1"] = best
        return facts


def _listed(classes: list[str]) -> str:
    shown = ", ".join(classes[:5])
    return f"{len(classes):,} ({shown}{', ...' if len(classes) > 5 else ''})"


def load(
    source: Path | str,
    *,
    backend: str = "cpu",
    precision: str = "float32",
    batch_size: int = BATCH_SIZE,
    workers: int = WORKERS,
    bad_images: str = "error",
    classes: list[str] | None = None,
    names: dict[str, str] | None = None,
    image_size: int | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    mean_image: Path | str | None = None,
) -> Network:
    """A trained network, from a run or from a file of this or of another program.

    Args:
        source: a run folder, whose best network is taken; a checkpoint; or weights of PyTorch or
            Caffe (docs/weights.md lists what is read).
        backend: "cpu" or "cuda".
        precision: of products, "float32" or "bf16": faster, with factors of 2 digits.
        batch_size: images that are computed together.
        workers: threads that decode images.
        bad_images: of a data set; "error" ends at one that cannot be used, "skip" leaves it out.
        classes: names in the order of the outputs, where the file does not say them.
        names: our name of a parameter by the name that it has in the file.
        image_size, mean, std, mean_image: see `alexnet.formats.given.Given`.

    Raises:
        BackendError: the backend is not available, or cannot multiply in this precision.
        CheckpointError: there is no network that can be used; one line says what to do.
    """
    given = Given(
        classes=classes,
        names=names or {},
        image_size=image_size,
        mean=mean,
        std=std,
        mean_image=None if mean_image is None else Path(mean_image),
    )
    return Network(
        source,
        backend=backend,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        bad_images=bad_images,
        given=given,
    )


def fit(data_root: Path | str | None = None, **options: Any) -> Network:
    """Train a network as ``python -m alexnet.train`` does, and return the best one of the run.

    Everything is kept in the run folder, from which `load` brings it back: the same network, whose
    products are in float32, whatever the precision of the training. Ctrl-C, or the interrupt of a
    notebook, ends the run after the current step and saves it; ``fit(resume=...)`` continues it
    exactly. In another thread than the main one no signal is received. A process trains one network
    at a time.

    Args:
        data_root: the folder with the images, of any kind that training takes; by default the
            demo set, which the project draws itself.
        options: those of the command, with underscores: ``epochs=10, seed=1, batch_size=64``.

    Raises:
        TypeError: there is no such option.
        UsageError: an option has no such value, or contradicts another one; or another thread is
            training.
        BackendError, CheckpointError, DataError, Diverged, OSError, OutOfMemory: what else is
            wrong; one line says what to do.
        Terminated: the process is to end; the run is saved.
    """
    cli.require_one_process("a function")
    if options.pop("dry_run", False):
        raise UsageError("fit trains; python -m alexnet.train --dry-run says what a run would need")
    invocation = from_keywords({"data_root": data_root, **options})
    if not _training.acquire(blocking=False):
        raise UsageError(
            "another thread of this process is training, and the random numbers of the two would "
            "mix: wait for it, or train in another process"
        )
    try:
        ending = run(*invocation, Team(), time.monotonic())
    finally:
        _training.release()
    assert ending is not None  # as it is where there is something to train
    if ending.signal is not None:
        word = interrupts.word(ending.signal)
        cli.say(f"{word}; continue with: alexnet.fit(resume={str(ending.folder)!r})")
        if word == "terminated":
            raise Terminated(ending.signal)
    settings = ending.settings
    return Network(ending.folder, backend=settings.backend, workers=settings.workers)
