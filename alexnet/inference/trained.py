"""A trained network, ready to be used: what it sees in images, and how good it is.

Every command that uses a network goes through `Trained`, and so does Python's `alexnet.load`.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet import cli
from alexnet.data import Dataset, images
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.batch import Batch
from alexnet.data.loader import Loader
from alexnet.errors import UsageError
from alexnet.formats.given import Given
from alexnet.formats.load import load
from alexnet.inference import inputs, layers, run_data
from alexnet.inference.evaluation import evaluate, predict
from alexnet.inference.features import features
from alexnet.inference.inputs import Images, Input, Refuse
from alexnet.inference.results import Prediction, Predictions, Results
from alexnet.precision import INFERENCE_PRECISIONS, products_in, require_available
from alexnet.run import progress
from alexnet.run.checkpoint import BEST, LAST, find
from alexnet.run.metrics import Row, read_rows
from minigrad import PreparedWeights
from minigrad import backend as backends
from minigrad.trace import name_layers

BATCH_SIZE, WORKERS = 128, 2


class Trained:
    """A network that was trained, with what it needs to be used.

    Args:
        source: a run folder, whose best network is taken, or a file with weights.
        backend: "cpu" or "cuda".
        precision: of products, "float32" or "bf16". Pictures are in float32.
        batch_size: images that are computed together, of ten views each a tenth.
        workers: threads that decode.
        bad_images: of a data set; "error" ends at one that cannot be used, "skip" leaves it out.
        max_pixels: images with more cannot be used; by default as in its training. Holds for the
            whole process.
        given: what a file of another program does not say.

    Attributes:
        source: as given.
        checkpoint: what the file holds.
        model: in evaluation mode, on `device`.
        device: the backend.

    Raises:
        BackendError: the backend is not available, or cannot multiply in this precision.
        CheckpointError: there is no network that can be used.
        DivergedNetwork: its parameters are not finite.
        UsageError: there can be no such batches, threads or precision, or no such treatment of
            bad images.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        backend: str = "cpu",
        precision: str = "float32",
        batch_size: int = BATCH_SIZE,
        workers: int = WORKERS,
        bad_images: str = "error",
        max_pixels: int | None = None,
        given: Given | None = None,
    ):
        if not isinstance(batch_size, int) or batch_size < 1 or workers < 0:
            raise UsageError(
                "batch_size must be at least 1 and workers at least 0, "
                f"got batch_size={batch_size} and workers={workers}"
            )
        if bad_images not in ("error", "skip"):
            raise UsageError(f"bad_images must be 'error' or 'skip', got {bad_images!r}")
        if precision not in INFERENCE_PRECISIONS:
            raise UsageError(f"precision must be 'float32' or 'bf16', got {precision!r}")
        self.device = backends.get(backend)
        require_available(precision, self.device)
        self.precision = precision
        self.source = Path(source)
        path = find(self.source, BEST, LAST)
        self.checkpoint = load(path, given)
        self.checkpoint.require_finite(path)
        self.batch_size, self.workers, self.bad_images = batch_size, workers, bad_images
        stored = self.checkpoint.arguments.get("max_pixels", images.MAX_PIXELS)
        images.set_max_pixels(max_pixels or stored)
        self.model = self.checkpoint.build().to(backend)
        name_layers(layers.named_layers(self.model))

    @property
    def folder(self) -> Path:
        """The run folder, or the folder of a file."""
        return self.source if self.source.is_dir() else self.source.parent

    @property
    def classes(self) -> list[str]:
        """The names of the C classes, in the order of the network's outputs."""
        return self.checkpoint.classes

    @property
    def metrics(self) -> list[Row]:
        """A dict for each epoch of the run, as in its metrics.csv; none of a file elsewhere or of
        another program."""
        return read_rows(self.folder) if self.checkpoint.training else []

    # -- images in any form ------------------------------------------------------------------------

    def predict(self, images: Images, *, views: int = 1) -> Prediction | Predictions:
        """The probabilities of the classes.

        Args:
            images: an image, or many of them: paths, of files and of folders; Pillow images;
                arrays or tensors, uint8 or float from 0 to 1, of the shape (H, W), (H, W, 3) or
                (3, H, W), RGB, or with another axis in front. Everything is resized and cut to
                the network's size.
            views: 10 for the mean over ten views of an image (section 4.1 of the paper).

        Returns:
            a `Prediction` for one image, a list of them for several or for a folder.

        Raises:
            BadImage, DataError: an image cannot be used.
            UsageError: `images` is nothing that can be an image, or `views` is another number.
        """
        _require_views(views)
        found, single = inputs.collect(images, self.classes)
        predicted = Predictions(p for p, _ in self.predictions(found, views=views))
        return predicted[0] if single else predicted

    def predictions(
        self, found: list[Input], *, views: int = 1, refuse: Refuse = inputs.raise_error
    ) -> Iterator[tuple[Prediction, np.ndarray]]:
        """The predictions one after the other, each with the middle of the image, uint8 (S, S, 3).

        Args:
            refuse: called with the name of an image that cannot be used, and the error.
        """
        batches = self._batches(found, views, refuse)
        # These hold while the generator runs, and not for what the caller does meanwhile.
        computed = self._computing(predict, len(found) * views)(self.model, batches, self.device)
        for batch, log_probabilities in computed:
            for i, (index, row) in enumerate(zip(batch.indices, np.exp(log_probabilities))):
                image = found[index]
                middle = batch.crop(i * views + (4 if views == 10 else 0))
                yield Prediction(image.name, self.classes, row, image.label), middle

    def features(self, images: Images, layer: str | None = None) -> np.ndarray:
        """What a layer computes of images, in evaluation mode.

        Args:
            images: as for `predict`.
            layer: conv1 to conv5, norm1, pool1 and so on, fc6 to fc8; by default the last
                hidden one, fc7 with the 4096 numbers by which the paper compares images
                (section 6.1).

        Returns:
            float32 (N, 4096), or (N, C, H, W) of a convolutional layer; for one image without N.

        Raises:
            BadImage, DataError: an image cannot be used.
            DivergedNetwork: an activation is not finite.
            UsageError: there is no such layer, or `images` is nothing that can be an image.
        """
        layer = self.chosen_layer(layer)
        found, single = inputs.collect(images, self.classes)
        batches = self._batches(found, 1, inputs.raise_error)
        compute = self._computing(features, len(found))
        values = compute(self.model, batches, len(found), self.device, layer).values
        return values[0] if single else values

    def chosen_layer(self, layer: str | None = None) -> str:
        """The name of a stage, by default the last hidden one.

        Raises:
            UsageError: the network has no such stage.
        """
        known = layers.stages(self.model)
        if layer is not None and layer not in known:
            raise UsageError(f"no layer {layer!r}; choose from {', '.join(known)}")
        return layer or layers.last_hidden(self.model)

    def _computing(self, function: Callable, count: int) -> Callable:
        """A function that computes `count` images, with products in the precision of this network.

        Weights are prepared for all batches together; for a single one it would take longer than
        it saves. They are kept for one call: until the next the caller may change the model.
        """
        if count > self.batch_size:
            function = PreparedWeights().in_use()(function)
        return products_in(self.precision)(function)

    def _batches(self, found: list[Input], views: int, refuse: Refuse) -> Generator[Batch]:
        return inputs.batches(
            found,
            self.checkpoint.preprocessing,
            max(1, self.batch_size // views),
            views,
            self.workers,
            refuse,
        )

    # -- data sets ---------------------------------------------------------------------------------

    def evaluate(
        self,
        data: Dataset | Path | str | None = None,
        *,
        split: str = "validation",
        views: int = 1,
        probabilities: bool = False,
    ) -> Results:
        """How good the network is on a set of images with known classes.

        Args:
            data: a data set; or the folder that it lies in, of any kind that training takes; by
                default that of the run.
            split: "train", "validation" or "test", of a folder or of the run.
            views: see `predict`.
            probabilities: keep those of all classes, with which `alexnet.inference.scores` can do
                more; 4 bytes for each class and image.

        Raises:
            DataError: an image cannot be used, or there is no such set.
            CheckpointError: its classes are not those of the network.
            UsageError: `data` is no data set, or `views` is another number.
        """
        _require_views(views)
        dataset = self.dataset(split, data)
        loader = self.loader(dataset, views)
        shown = progress.for_this_terminal()(split, len(dataset), 0)
        compute = self._computing(evaluate, len(dataset) * views)
        with shown as report:
            results = compute(self.model, loader, self.device, report, probabilities)
        images = cli.counted(len(results), f"{split} image")
        rounded = ", products in bf16" if self.precision == "bf16" else ""
        return replace(results, title=f"{images}, {cli.counted(views, 'view')}{rounded}")

    def dataset(
        self, split: str = "validation", data: Dataset | Path | str | None = None
    ) -> Dataset:
        """A set of images that is named, or else the one of the run; see `evaluate`."""
        if isinstance(data, Path | str):
            return run_data.dataset(self.checkpoint, split, data_root=data)
        if data is None:
            return run_data.dataset(self.checkpoint, split)
        if not hasattr(data, "classes"):
            raise UsageError(f"{type(data).__name__} is no data set: give the folder of one")
        self.checkpoint.require(self.checkpoint.architecture, data.classes)
        return data

    def loader(self, dataset: Dataset, views: int = 1) -> Loader:
        """Batches of a set in its order, prepared for the network without augmentation."""
        bad_images = BadImages(self.bad_images == "skip", limit=len(dataset))
        return Loader(
            Skipping(dataset, bad_images),
            self.checkpoint.preprocessing,
            max(1, self.batch_size // views),
            ten_views=views == 10,
            workers=self.workers,
            allocate=self.device.host_empty,
        )


def _require_views(views: int) -> None:
    if views not in (1, 10):
        raise UsageError(f"views must be 1 or 10, got {views!r}")
